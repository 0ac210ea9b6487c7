"""What people look at: progress, tables, figures, the report and the playground."""
