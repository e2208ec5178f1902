using System.Collections.Immutable;

namespace BillingMigration.Source.Changes;

/// <param name="Effect">On the tables that stand in it, where they are ours.</param>
internal sealed record StatementForm(StatementEffect Effect, StatementPattern Pattern);

/// <summary>
/// The statements whose effect is known, for MySQL up to 9.x (https://dev.mysql.com/doc/refman/9.4/en/sql-statements.html) and MariaDB up to 11.x
/// (https://mariadb.com/kb/en/sql-statements/). The first form that fits holds. CREATE TABLE and ALTER TABLE have rules
/// of their own. What stands in none of them may do anything.
/// </summary>
internal static class StatementForms
{
    private const string Definer = "[DEFINER [=] value [()] [@ value [()]]]";
    private const string Wait = "[WAIT value|NOWAIT]";

    public static ImmutableArray<StatementForm> All { get; } =
    [
        // Accounts, the server, what is cached: no rows.
        .. Harmless(
            "{GRANT|REVOKE} ...",
            "SET {PASSWORD|ROLE|DEFAULT ROLE} ...",
            "RENAME USER ...",
            "FLUSH ...",
            "{INSTALL|UNINSTALL} {PLUGIN|COMPONENT|SONAME} ...",
            "{CACHE INDEX|LOAD INDEX INTO CACHE} ...",

            // ANALYZE UPDATE of MariaDB is another statement: it updates.
            "{ANALYZE|OPTIMIZE|CHECK} [NO_WRITE_TO_BINLOG|LOCAL] {TABLE|TABLES} ..."),
        Form(StatementEffect.Rows, "REPAIR [NO_WRITE_TO_BINLOG|LOCAL] {TABLE|TABLES} table {, table}* [QUICK] [EXTENDED] [USE_FRM] [FORCE]"),

        // Objects that are no tables. What they do when they are called is logged then.
        .. Harmless(
            $"CREATE [OR REPLACE] {Definer} [AGGREGATE] {{FUNCTION|PROCEDURE|TRIGGER|EVENT|PACKAGE|LIBRARY|USER|ROLE|SERVER}} ...",
            $"CREATE [OR REPLACE] [ALGORITHM [=] name] {Definer} [SQL SECURITY name] VIEW ...",
            "CREATE [OR REPLACE] {[UNDO] TABLESPACE|LOGFILE GROUP|RESOURCE GROUP|SPATIAL REFERENCE SYSTEM} ...",
            $"ALTER {Definer} {{FUNCTION|PROCEDURE|EVENT|PACKAGE|LIBRARY|USER|ROLE|SERVER|INSTANCE}} ...",
            $"ALTER [ALGORITHM [=] name] {Definer} [SQL SECURITY name] VIEW ...",
            "ALTER {[UNDO] TABLESPACE|LOGFILE GROUP|RESOURCE GROUP} ...",
            "DROP {FUNCTION|PROCEDURE|TRIGGER|EVENT|PACKAGE|LIBRARY|USER|ROLE|SERVER|VIEW} ...",
            "DROP {[UNDO] TABLESPACE|LOGFILE GROUP|RESOURCE GROUP|SPATIAL REFERENCE SYSTEM} ..."),

        // Databases: the default character set is for columns to come.
        .. Harmless(
            "CREATE {DATABASE|SCHEMA} ...",
            "ALTER {DATABASE|SCHEMA} [name] {[DEFAULT] {CHARACTER SET|CHARSET|COLLATE|ENCRYPTION|READ ONLY|COMMENT} [=] value}*"),
        Form(StatementEffect.NameChange, "DROP {DATABASE|SCHEMA} [IF EXISTS] database"),
        Form(StatementEffect.NameChange, "CREATE OR REPLACE {DATABASE|SCHEMA} database ..."),

        // Tables by name. TRUNCATE fires no trigger and follows no foreign key.
        .. Harmless("DROP TEMPORARY {TABLE|TABLES|SEQUENCE} ..."),
        Form(StatementEffect.NameChange, $"DROP {{TABLE|TABLES}} [IF EXISTS] table {{, table}}* [RESTRICT|CASCADE] {Wait}"),
        Form(StatementEffect.NameChange, $"RENAME {{TABLE|TABLES}} [IF EXISTS] table {Wait} TO table {{, table {Wait} TO table}}*"),
        Form(StatementEffect.NameChange, "{CREATE|ALTER|DROP} [OR REPLACE] SEQUENCE [IF [NOT] EXISTS] table {, table}* ..."),
        Form(StatementEffect.Rows, $"TRUNCATE [TABLE] table {Wait}"),

        // Indexes: rows stay, but for the primary key, which items are found by.
        .. Harmless("CREATE [OR REPLACE] [ONLINE|OFFLINE] [UNIQUE|FULLTEXT|SPATIAL|VECTOR] INDEX ..."),
        Form(StatementEffect.LayoutChange, "DROP INDEX [IF EXISTS] primary ON table ..."),
        .. Harmless("DROP INDEX [IF EXISTS] name ON name ..."),
    ];

    private static StatementForm Form(StatementEffect effect, string form) => new(effect, new StatementPattern(form));

    private static IEnumerable<StatementForm> Harmless(params string[] forms) => forms.Select(f => Form(StatementEffect.None, f));
}
