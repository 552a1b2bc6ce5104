"""Schedule: a cron expression and a moment in; the next time, and whether it has come, out. All times are UTC."""

from datetime import UTC, datetime


def next_time(expression: str, after: datetime) -> datetime:
    """The first time after `after`. https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html"""
    from croniter import croniter

    found: datetime = croniter(expression, after.astimezone(UTC)).get_next(datetime)
    return found


def is_due(expression: str, since: datetime, now: datetime) -> bool:
    """Whether a time has come since the last one that was obeyed. Several that were missed count as one."""
    return next_time(expression, since) <= now
