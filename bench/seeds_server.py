"""The seeds' way, in a process of its own: Flask and SQLAlchemy, select then insert, a commit for each message.

Served by the same Granian as the product, with threads as many as connections. It does what their webhook did before
it answered: who is it, is the message there already, the session, the message.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, Response, request
from granian import Granian
from granian.constants import Interfaces
from sqlalchemy import BigInteger, DateTime, ForeignKey, String, Text, create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

THREADS = 32


class Base(DeclarativeBase):
    pass


class Conversation(Base):
    __tablename__ = "seeds_conversation"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    business_id: Mapped[int]
    customer_number: Mapped[str] = mapped_column(String(64), index=True)
    last_message_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Message(Base):
    __tablename__ = "seeds_message"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    business_id: Mapped[int]
    conversation_id: Mapped[int] = mapped_column(ForeignKey(Conversation.id), index=True)
    to_number: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    provider_message_id: Mapped[str] = mapped_column(String(128), index=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def application(url: str) -> Flask:
    """Their web application on a database of theirs."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_size=THREADS)
    Base.metadata.create_all(engine)
    sessions = scoped_session(sessionmaker(engine))
    app = Flask(__name__)

    @app.post("/webhooks/whatsapp")
    def webhook() -> Response:
        for entry in request.get_json()["entry"]:
            for change in entry["changes"]:
                for message in change["value"]["messages"]:
                    _save(sessions(), message)
        return Response('{"success":true}', mimetype="application/json")

    @app.teardown_request
    def remove(_: BaseException | None) -> None:
        sessions.remove()

    return app


def _save(session: Session, message: dict[str, dict[str, str]]) -> None:
    number, name, now = str(message["from"]), str(message["id"]), datetime.now(UTC)
    if session.scalars(select(Message).where(Message.provider_message_id == name)).first() is not None:
        return
    known = select(Conversation).where(Conversation.business_id == 1, Conversation.customer_number == number)
    conversation = session.scalars(known).first()
    if conversation is None:
        conversation = Conversation(business_id=1, customer_number=number, last_message_at=now)
        session.add(conversation)
        session.flush()
    conversation.last_message_at = now
    text = message["text"]["body"]
    session.add(
        Message(business_id=1, conversation_id=conversation.id, to_number=number, body=text,
                provider_message_id=name, created_at=now)
    )  # fmt: skip
    session.commit()


def made() -> Flask:
    """For Granian, whose worker is a process of its own."""
    return application(os.environ["SEEDS_DATABASE_URL"])


if __name__ == "__main__":
    Granian(
        "seeds_server:made", factory=True, address="127.0.0.1", port=int(sys.argv[3]), interface=Interfaces.WSGI,
        blocking_threads=THREADS, log_enabled=False, working_dir=Path(__file__).parent,
    ).serve()  # fmt: skip
