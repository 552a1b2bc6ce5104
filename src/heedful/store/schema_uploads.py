"""The tables of uploads: files for fine-tuning jobs and for vector stores, sealed in parts; what conversations came of them."""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from heedful.store.schema import Base, utc_now

Purpose = Literal["fine-tune", "assistants"]  # a training learns from it, or the knowledge base quotes it
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
UploadStatus = Literal["processed", "error"]
UPLOAD_STATUSES: tuple[UploadStatus, ...] = get_args(UploadStatus)


class Upload(Base):
    """A file with a key of its own, which goes with it. `owner` is the number of the API key that sent it; 0: this machine.

    `problem` says what is wrong with which row; it quotes nothing.
    """

    __tablename__ = "uploads"
    __table_args__ = (CheckConstraint("status IN ('processed', 'error')", name="status"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[int] = mapped_column(index=True)
    purpose: Mapped[Purpose] = mapped_column(String(16), default="fine-tune", server_default="fine-tune")
    key_id: Mapped[str] = mapped_column(ForeignKey("data_keys.id"))
    sealed_name: Mapped[bytes]
    size: Mapped[int]
    rows: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[UploadStatus] = mapped_column(String(16))
    problem: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class UploadPart(Base):
    """A piece of the content. `number` counts from 0."""

    __tablename__ = "upload_parts"

    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sealed_content: Mapped[bytes]


class UploadRow(Base):
    """A conversation that a job took from a file."""

    __tablename__ = "upload_rows"

    file_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True, index=True)
