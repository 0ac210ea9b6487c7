"""Checks for environments and agents of your own; they are used on ours too.

from clarify_env.testing import check_agent, check_env

check_env(env)
check_agent(agent, env)
"""

from clarify_env.testing.agent_checks import check_agent
from clarify_env.testing.env_checks import check_env
from clarify_env.testing.play import CheckFailed

__all__ = ["CheckFailed", "check_agent", "check_env"]
