"""Guards: a chat in, how great the danger is and what is wrong with a reply out. They judge; the companion acts."""

from heedful.guards.crisis.assess import CrisisAssessment
from heedful.guards.crisis.guard import assess_crisis
from heedful.guards.reply.findings import Finding
from heedful.guards.reply.guard import check_reply

__all__ = ["CrisisAssessment", "Finding", "assess_crisis", "check_reply"]
