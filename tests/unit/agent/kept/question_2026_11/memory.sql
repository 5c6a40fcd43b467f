BEGIN TRANSACTION;
CREATE TABLE store (
    -- 'prefix' represents the doc's 'namespace'
    prefix text NOT NULL,
    key text NOT NULL,
    value text NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, expires_at TIMESTAMP, ttl_minutes REAL,
    PRIMARY KEY (prefix, key)
);
INSERT INTO "store" VALUES('main.user-f93f954cfb5d0e3564e323c4.memory','note-7904b99653f0',X'7B2274657874223A226D79206361742069732063616C6C656420546F6D222C227772697474656E5F6174223A22323032362D30332D30315431323A30303A30305A227D','2026-11-26 00:47:50','2026-11-26 00:47:50',NULL,NULL);
CREATE TABLE store_migrations (
                    v INTEGER PRIMARY KEY
                );
INSERT INTO "store_migrations" VALUES(0);
INSERT INTO "store_migrations" VALUES(1);
INSERT INTO "store_migrations" VALUES(2);
INSERT INTO "store_migrations" VALUES(3);
INSERT INTO "store_migrations" VALUES(4);
CREATE INDEX store_prefix_idx ON store (prefix);
CREATE INDEX idx_store_expires_at ON store (expires_at)
WHERE expires_at IS NOT NULL;
COMMIT;
PRAGMA user_version = 0;
