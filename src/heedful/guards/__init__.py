"""Guards: a chat in, how great the danger is and what is wrong with a reply out. They judge; the companion acts."""

from heedful.guards.crisis.assess import CrisisAssessment
from heedful.guards.crisis.guard import assess_crisis

__all__ = ["CrisisAssessment", "assess_crisis"]
