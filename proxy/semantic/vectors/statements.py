"""The table of vectors in PostgreSQL, and everything that is said to it."""

CREATE = """
CREATE TABLE IF NOT EXISTS tollway_vectors (
    partition bytea NOT NULL,
    key bytea NOT NULL,
    signature bytea NOT NULL,
    text bytea NOT NULL,
    tenant text NOT NULL,
    expires double precision NOT NULL,
    added bigserial NOT NULL,
    embedder text,
    vector vector,
    PRIMARY KEY (partition, key)
);
CREATE INDEX IF NOT EXISTS tollway_vectors_signature ON tollway_vectors (partition, signature);
CREATE INDEX IF NOT EXISTS tollway_vectors_added ON tollway_vectors (partition, added);
CREATE INDEX IF NOT EXISTS tollway_vectors_expires ON tollway_vectors (expires);
"""
"""A vector of any size: which embedder, and so which size, is a row's own. What is compared is one group; no index of vectors is needed."""

LOCK = 7_065_557_930
"""Any number that no other program on the server takes: two processes that create the table at once would trip over each other."""

ALIKE = """
SELECT key, text, count(*) OVER () AS count, vector IS NULL OR embedder IS DISTINCT FROM $4 AS bare FROM tollway_vectors
WHERE partition = $1 AND signature = $2 AND expires > $3 ORDER BY bare DESC, added DESC LIMIT $5
"""

NEWEST = "SELECT text FROM tollway_vectors WHERE partition = $1 AND expires > $2 ORDER BY added DESC LIMIT 64"

NEAREST = """
SELECT key, text, 1 - (vector <=> $5::text::vector) AS similarity FROM (
    SELECT key, text, vector FROM tollway_vectors
    WHERE partition = $1 AND signature = $2 AND expires > $3 AND embedder = $4 AND vector_dims(vector) = $6 OFFSET 0
) AS alike ORDER BY vector <=> $5::text::vector LIMIT 1
"""

ADD = """
INSERT INTO tollway_vectors (partition, key, signature, text, tenant, expires, embedder, vector)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::vector)
ON CONFLICT (partition, key) DO UPDATE SET expires = excluded.expires, added = excluded.added, signature = excluded.signature,
    embedder = coalesce(excluded.embedder, tollway_vectors.embedder), vector = coalesce(excluded.vector, tollway_vectors.vector)
"""

PLACE = "UPDATE tollway_vectors SET embedder = $3, vector = $4::text::vector WHERE partition = $1 AND key = $2"

FORGET = "DELETE FROM tollway_vectors WHERE partition = $1 AND key = $2"

PURGE = "DELETE FROM tollway_vectors WHERE ($1 = ''::bytea OR key = $1) AND ($2 = '' OR tenant = $2)"

EXPIRED = "DELETE FROM tollway_vectors WHERE expires <= $1"

BOUND = """
DELETE FROM tollway_vectors WHERE added <= (SELECT added FROM tollway_vectors ORDER BY added DESC OFFSET $1 LIMIT 1)
"""

BOUND_ONE = """
DELETE FROM tollway_vectors WHERE partition = $1
AND added <= (SELECT added FROM tollway_vectors WHERE partition = $1 ORDER BY added DESC OFFSET $2 LIMIT 1)
"""
