"""The ledger's tables and its database.

On sqlite a writer takes the write lock before it reads the end of the chain (BEGIN IMMEDIATE), and triggers
refuse changes to entries; elsewhere the row of the chain's head is locked. Triggers and locks keep honest
programs right; against others stands the chain of digests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Field, Session, SQLModel, create_engine

from assay.registry.errors import AssayError, IntegrityError

__all__ = ["EntryRow", "HeadRow", "open_engine", "reading", "writing"]

SCHEMA_VERSION = 1


class EntryRow(SQLModel, table=True):
    """See `records.Entry`."""

    __tablename__ = "ledger_entry"  # pyright: ignore[reportAssignmentType]

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kind: str = Field(index=True)
    agent: str = Field(index=True)
    subject: str = Field(index=True)
    created_at: str
    payload: str
    prev: str
    digest: str = Field(unique=True)


class HeadRow(SQLModel, table=True):
    """One row: how long the chain is and where it ends, so that cut-off ends are noticed; and the schema's version."""

    __tablename__ = "ledger_head"  # pyright: ignore[reportAssignmentType]

    id: int = Field(default=1, primary_key=True)
    schema_version: int
    seq: int
    digest: str


_TABLES = [SQLModel.metadata.tables["ledger_entry"], SQLModel.metadata.tables["ledger_head"]]


def open_engine(url: str, genesis: str) -> sa.Engine:
    """The ledger's database, with its tables made where it is new.

    Raises:
        AssayError: it cannot be opened, or a newer Assay wrote it.
        IntegrityError: it has entries but lost its head.
    """
    shown = _without_password(url)
    try:
        address = sa.make_url(url)
        if address.get_backend_name() == "sqlite" and address.database not in {None, "", ":memory:"}:
            Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(address, connect_args=_connect_args(address))
        if address.get_backend_name() == "sqlite":
            _begin_ourselves(engine)
        _prepare(engine, genesis, shown)
    except (SQLAlchemyError, OSError, ImportError) as error:  # ImportError: the database's driver is not installed
        reason = _without_password(str(getattr(error, "orig", None) or error)).splitlines()[0]
        raise AssayError(f"the ledger {shown} cannot be opened: {reason}") from error
    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[Session]:
    """A consistent view of the ledger."""
    with Session(engine) as session:
        yield session


@contextmanager
def writing(engine: sa.Engine) -> Iterator[tuple[Session, HeadRow]]:
    """The only writer, with the end of the chain; committed when the block ends well, else nothing is written."""
    with Session(engine.execution_options(writing=True)) as session:
        head = session.exec(sa.select(HeadRow).with_for_update()).scalar_one()  # pyright: ignore
        yield session, head
        session.commit()


def _without_password(text: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", text)


def _connect_args(address: sa.URL) -> dict[str, Any]:
    return {"timeout": 60} if address.get_backend_name() == "sqlite" else {}


def _begin_ourselves(engine: sa.Engine) -> None:
    """Keep sqlite3 from opening transactions by itself, and open writing ones with the lock already taken."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare(engine: sa.Engine, genesis: str, shown: str) -> None:
    if not _is_ready(engine, shown):
        with engine.execution_options(writing=True).begin() as connection:
            SQLModel.metadata.create_all(connection, tables=_TABLES)
            if engine.dialect.name == "sqlite":
                for act in ("UPDATE", "DELETE"):
                    connection.exec_driver_sql(
                        f"CREATE TRIGGER IF NOT EXISTS ledger_no_{act.lower()} BEFORE {act} ON ledger_entry "
                        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
                    )
            heads, entries = HeadRow.__table__, EntryRow.__table__  # pyright: ignore
            if connection.execute(sa.select(heads.c.id)).first() is None:
                if connection.execute(sa.select(entries.c.seq)).first() is not None:
                    raise IntegrityError(f"the ledger {shown} has entries but the record of where it ends is gone")
                head = {"id": 1, "schema_version": SCHEMA_VERSION, "seq": 0, "digest": genesis}
                connection.execute(sa.insert(heads).values(**head))


def _is_ready(engine: sa.Engine, shown: str) -> bool:
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
        if not {"ledger_entry", "ledger_head"} <= names:
            return False
        found = connection.execute(sa.text("SELECT schema_version FROM ledger_head")).scalar()
    if found is not None and found > SCHEMA_VERSION:
        raise AssayError(
            f"the ledger {shown} was written by a newer Assay (its schema is {found}, this one knows "
            f"{SCHEMA_VERSION}). Upgrade Assay to use it."
        )
    return found is not None
