using System.Collections.Immutable;

namespace BillingMigration.Source.Changes;

/// <summary>
/// What ALTER TABLE may do without laying out rows otherwise:
/// https://dev.mysql.com/doc/refman/9.4/en/alter-table.html and https://mariadb.com/kb/en/alter-table/.
/// All else changes the table's shape.
/// </summary>
internal static class AlterTableForms
{
    private const string Names = "name {, name}*";
    private const string AllOrNames = $"{{ALL|{Names}}}";
    private const string IndexType = "[USING name]";
    private const string IndexOptions =
        "{USING name|KEY_BLOCK_SIZE [=] value|WITH PARSER name|COMMENT value|VISIBLE|INVISIBLE|IGNORED|NOT IGNORED"
        + "|{ENGINE_ATTRIBUTE|SECONDARY_ENGINE_ATTRIBUTE} [=] value}*";

    private const string Constraint = "[CONSTRAINT [IF NOT EXISTS] [name]]";

    // An engine that keeps rows. BLACKHOLE keeps none; others have them from elsewhere.
    private const string Engines = "{InnoDB|MyISAM|Aria|RocksDB}";

    private const string Option = $$"""
        {ENGINE [=] {{Engines}}
        |{AUTO_INCREMENT|AUTOEXTEND_SIZE|AVG_ROW_LENGTH|CHECKSUM|TABLE_CHECKSUM|COMMENT|COMPRESSION|DELAY_KEY_WRITE|ENCRYPTION|ENGINE_ATTRIBUTE
        |INSERT_METHOD|KEY_BLOCK_SIZE|MAX_ROWS|MIN_ROWS|PACK_KEYS|ROW_FORMAT|SECONDARY_ENGINE|SECONDARY_ENGINE_ATTRIBUTE|STATS_AUTO_RECALC|STATS_PERSISTENT|STATS_SAMPLE_PAGES|ENCRYPTED|ENCRYPTION_KEY_ID
        |PAGE_CHECKSUM|PAGE_COMPRESSED|PAGE_COMPRESSION_LEVEL|TRANSACTIONAL|IETF_QUOTES|{DATA|INDEX} DIRECTORY} [=] value
        |[DEFAULT] {CHARACTER SET|CHARSET|COLLATE} [=] value
        |TABLESPACE [=] name [STORAGE {DISK|MEMORY}]}
        """;

    /// <summary>Of partitions; such an action stands alone, or at the end. A partition that goes takes its rows along, and none of them is logged.</summary>
    public static ImmutableArray<StatementForm> Partitions { get; } =
    [
        .. Forms(
            StatementEffect.None,
            "ADD PARTITION [IF NOT EXISTS] [NO_WRITE_TO_BINLOG|LOCAL] {()|PARTITIONS value}",
            "COALESCE PARTITION [NO_WRITE_TO_BINLOG|LOCAL] value",
            $"REORGANIZE PARTITION [NO_WRITE_TO_BINLOG|LOCAL] [{Names} INTO ()]",
            $"{{ANALYZE|CHECK|OPTIMIZE|REBUILD}} PARTITION [NO_WRITE_TO_BINLOG|LOCAL] {AllOrNames} [FOR UPGRADE|QUICK|FAST|MEDIUM|EXTENDED|CHANGED]",
            "REMOVE PARTITIONING",
            "PARTITION BY [LINEAR] {{HASH|RANGE|LIST} [COLUMNS] ()|KEY [ALGORITHM [=] value] ()} [PARTITIONS value] "
                + "[SUBPARTITION BY [LINEAR] {HASH|KEY [ALGORITHM [=] value]} () [SUBPARTITIONS value]] [()]"),
        .. Forms(
            StatementEffect.Rows,
            $"TRUNCATE PARTITION {AllOrNames}",
            $"DROP PARTITION [IF EXISTS] {Names}",
            $"REPAIR PARTITION [NO_WRITE_TO_BINLOG|LOCAL] {AllOrNames} [QUICK] [EXTENDED] [USE_FRM]",
            "EXCHANGE PARTITION name WITH TABLE table [{WITH|WITHOUT} VALIDATION]"),
    ];

    /// <summary>Between commas.</summary>
    public static ImmutableArray<StatementForm> Actions { get; } =
    [
        .. Forms(StatementEffect.LayoutChange, "DROP {INDEX|KEY|CONSTRAINT} [IF EXISTS] primary", "RENAME {INDEX|KEY} [IF EXISTS] primary TO name"),
        .. Forms(
            StatementEffect.ForeignKeyChange,
            $"ADD {Constraint} FOREIGN KEY [IF NOT EXISTS] [name] () REFERENCES name [()] [MATCH name]"
                + " {ON {DELETE|UPDATE} {RESTRICT|CASCADE|NO ACTION|SET NULL|SET DEFAULT}}*",
            "DROP FOREIGN KEY [IF EXISTS] name",

            // It may be one.
            "DROP CONSTRAINT [IF EXISTS] name [RESTRICT|CASCADE]"),
        .. Forms(
            StatementEffect.None,
            $"ADD {{INDEX|KEY}} [IF NOT EXISTS] [name] {IndexType} () {IndexOptions}",
            $"ADD {Constraint} UNIQUE [INDEX|KEY] [IF NOT EXISTS] [name] {IndexType} () {IndexOptions}",
            $"ADD {{FULLTEXT|SPATIAL|VECTOR}} [INDEX|KEY] [IF NOT EXISTS] [name] () {{{IndexOptions}|{{M|DISTANCE}} [=] value}}*",
            $"ADD {Constraint} CHECK () [[NOT] ENFORCED]",
            "DROP {INDEX|KEY|CHECK} [IF EXISTS] name",
            "RENAME {INDEX|KEY} [IF EXISTS] name TO name",
            "ALTER {INDEX|KEY} [IF EXISTS] name {VISIBLE|INVISIBLE|IGNORED|NOT IGNORED}",
            "ALTER {CHECK|CONSTRAINT} name [NOT] ENFORCED",

            // A default is for rows to come, and whoever inserts them logs it.
            "ALTER [COLUMN] [IF EXISTS] name {SET DEFAULT {value|value ()|()}|DROP DEFAULT|SET VISIBLE|SET INVISIBLE}",
            "{ENABLE|DISABLE} KEYS",
            "FORCE",
            "{ALGORITHM|LOCK} [=] name",
            "{WITH|WITHOUT} VALIDATION",
            "ORDER BY name [ASC|DESC]",
            $"{Option} {{{Option}}}*"),
    ];

    /// <summary>What follows ORDER BY behind a comma.</summary>
    public static StatementPattern OrderColumn { get; } = new("name [ASC|DESC]");

    public static StatementPattern OrderBy { get; } = new("ORDER BY ...");

    /// <summary>Of any table: another table comes by this name, goes, or gives its rows.</summary>
    public static ImmutableArray<StatementForm> OtherTables { get; } =
    [
        .. Forms(StatementEffect.Rows, "EXCHANGE PARTITION name WITH TABLE table ..."),
        .. Forms(StatementEffect.NameChange, "RENAME [TO|AS|=] table ...", "CONVERT PARTITION name TO TABLE table ...", "CONVERT TABLE table TO PARTITION ..."),
    ];

    private static IEnumerable<StatementForm> Forms(StatementEffect effect, params string[] forms) =>
        forms.Select(f => new StatementForm(effect, new StatementPattern(f)));
}
