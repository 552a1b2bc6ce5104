"""The tables of experiments: what was begun and how it ended, who is in, harms, and pairs of replies. The others are in `schema`.

What a person is in goes with them; experiments, ends and harms stay: they are ids and numbers.
"""

from datetime import datetime
from typing import Literal

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import NEVER_REUSED, Base, utc_now

Variant = Literal["champion", "challenger"]
Ending = Literal["stopped", "harm", "champion", "quarantine"]
Preferred = Literal["champion", "challenger", "tie"]
UPSTREAM = "upstream"  # as a challenger: no version of ours, but the server that `upstream.url` names


class Experiment(Base):
    """A challenger against a champion. Append-only, vouched for by the audit trail; it runs until it has an end.

    `share` of the persons are served by the challenger. With `shadow` nobody is: it answers unseen, and clinicians compare.
    `outcome` decides, `instrument` names the questionnaire of an assessment; each person's outcome is known after `window_hours`,
    or with the first value where that is 0. Harm at most `margin` times as often is allowed. `reason`: why the gate was overridden.
    """

    __tablename__ = "experiments"
    __table_args__ = (CheckConstraint("share > 0 AND share < 1", name="share"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    champion: Mapped[str] = mapped_column(String(64))
    challenger: Mapped[str] = mapped_column(String(64))
    share: Mapped[float]
    shadow: Mapped[bool]
    outcome: Mapped[str] = mapped_column(String(16))
    instrument: Mapped[str] = mapped_column(String(32))
    window_hours: Mapped[float]
    margin: Mapped[float]
    report_id: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ExperimentEnd(Base):
    """An experiment is over, for everybody and at once. Append-only. `harm` names the kind that was more frequent.

    stopped: somebody said so; harm: the monitor did; champion: another version became the champion; quarantine: a version of it is.
    """

    __tablename__ = "experiment_ends"
    __table_args__ = (CheckConstraint("ending IN ('stopped', 'harm', 'champion', 'quarantine')", name="ending"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id"), unique=True)
    ending: Mapped[str] = mapped_column(String(16))
    harm: Mapped[str] = mapped_column(String(16))
    e_value: Mapped[float | None]
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ExperimentMember(Base):
    """A person who was served in an experiment since `joined_at`. `entry_tier`: how great the danger was in their first turn."""

    __tablename__ = "experiment_members"
    __table_args__ = (CheckConstraint("variant IN ('champion', 'challenger')", name="variant"),)

    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), primary_key=True, index=True)
    variant: Mapped[str] = mapped_column(String(16))
    entry_tier: Mapped[str | None] = mapped_column(String(16))
    joined_at: Mapped[datetime] = mapped_column(default=utc_now)


class ExperimentHarm(Base):
    """The first harm of a kind that somebody met, and how many were at risk of it before, this one included.

    `member` is a keyed hash of experiment and person: who it was cannot be told from it, so it stays when they leave.
    """

    __tablename__ = "experiment_harms"
    __table_args__ = (
        UniqueConstraint("experiment_id", "kind", "member"),
        CheckConstraint("variant IN ('champion', 'challenger')", name="variant"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id"))
    kind: Mapped[str] = mapped_column(String(16))
    variant: Mapped[str] = mapped_column(String(16))
    member: Mapped[str] = mapped_column(String(64))
    challenger_at_risk: Mapped[int]
    champion_at_risk: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ReplyPair(Base):
    """One chat of a person, the champion's reply that was given and the challenger's that nobody saw; all sealed."""

    __tablename__ = "reply_pairs"
    __table_args__ = (UniqueConstraint("experiment_id", "person_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)  # random; the texts are sealed to it
    experiment_id: Mapped[int] = mapped_column(ForeignKey("experiments.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), index=True)
    sealed_chat: Mapped[bytes]
    sealed_champion: Mapped[bytes]
    sealed_challenger: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class PairJudgement(Base):
    """What a clinician preferred, not knowing which was whose. `left` is what stood on the left, drawn anew for each look."""

    __tablename__ = "pair_judgements"
    __table_args__ = (
        UniqueConstraint("pair_id", "actor"),
        CheckConstraint("preferred IN ('champion', 'challenger', 'tie')", name="preferred"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    pair_id: Mapped[str] = mapped_column(ForeignKey("reply_pairs.id", ondelete="CASCADE"), index=True)
    actor: Mapped[str] = mapped_column(Text)
    left: Mapped[str] = mapped_column(String(16))
    preferred: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
