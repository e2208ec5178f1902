using System.Collections.Immutable;
using BillingMigration.Source.Changes;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Source.Changes;

/// <summary>What a statement in the binlog means for migrated tables. The forms stand in statements.txt.</summary>
public sealed class StatementCheckTests
{
    private const ulong AnsiQuotes = 4;
    private const ulong NoBackslashEscapes = 1 << 20;

    private static readonly ImmutableDictionary<string, StatementEffect> Effects = new Dictionary<string, StatementEffect>
    {
        ["pass"] = StatementEffect.None,
        ["rows"] = StatementEffect.Rows,
        ["all"] = StatementEffect.Rows,
        ["key"] = StatementEffect.ForeignKeyChange,
        ["layout"] = StatementEffect.LayoutChange,
        ["name"] = StatementEffect.NameChange,
    }.ToImmutableDictionary();

    private readonly StatementCheck check = new([new TableName("billing", "charge"), new TableName("billing", "bill")]);

    public static TheoryData<string, string, string> Forms
    {
        get
        {
            var data = new TheoryData<string, string, string>();
            var lines = File.ReadAllLines(Repository.PathOf("tests", "BillingMigration.Core.Tests", "Source", "Changes", "statements.txt"));
            foreach (var line in lines.Where(l => l.Length > 0 && l[0] != '#'))
            {
                var parts = line.Split(' ', 3);
                data.Add(parts[0], parts[1], parts[2]);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Each_form_has_its_effect(string expected, string dialect, string statement)
    {
        var verdict = check.Check(statement, "billing", dialect switch { "ansi" => AnsiQuotes, "noesc" => NoBackslashEscapes, _ => 0 });
        Assert.Equal(Effects[expected], verdict.Effect);
        if (expected is "all" or "rows")
        {
            Assert.Equal(expected == "all", verdict.ConcernsAll);
        }
    }

    [Theory]
    [InlineData("/* x */ TRUNCATE `Charge`", "TRUNCATE TABLE", "charge")]
    [InlineData("DROP TABLES customer, billing.bill", "DROP TABLE", "bill")]
    [InlineData("RENAME TABLE charge TO charge_old, charge_new TO charge", "RENAME TABLE", "charge")]
    [InlineData("ALTER TABLE bill NOWAIT RENAME TO b", "ALTER TABLE", "bill")]
    [InlineData("ALTER IGNORE TABLE charge ADD UNIQUE (x)", "ALTER IGNORE TABLE", "charge")]
    [InlineData("CREATE OR REPLACE TABLE charge (id INT)", "CREATE OR REPLACE TABLE", "charge")]
    [InlineData("SET STATEMENT a = 1 FOR ALTER TABLE bill DROP a", "ALTER TABLE", "bill")]
    [InlineData("DROP DATABASE billing", "DROP DATABASE", "charge,bill")]
    [InlineData("UPDATE secret_table SET a = 1", "UPDATE", "")]
    public void Kind_and_tables_are_named(string statement, string kind, string tables)
    {
        var verdict = check.Check(statement, "billing", 0);
        Assert.Equal((kind, tables), (verdict.Kind, string.Join(",", verdict.Tables.Select(t => t.Name))));
    }

    /// <summary>An event without its session's sql_mode is read in each way, and the strictest holds.</summary>
    [Theory]
    [InlineData("DROP TABLE \"charge\"")]
    [InlineData("ALTER TABLE charge COMMENT 'a\\', DROP COLUMN b")]
    public void Without_a_mode_the_stricter_reading_holds(string statement) => Assert.True(check.Check(statement, "billing", null).Effect >= StatementEffect.LayoutChange);

    [Theory]
    [InlineData("TRUNCATE TABLE charge", "other", StatementEffect.None)]
    [InlineData("TRUNCATE TABLE billing.charge", "other", StatementEffect.Rows)]
    [InlineData("TRUNCATE TABLE BILLING.Charge", "", StatementEffect.Rows)]
    [InlineData("ALTER TABLE charge RENAME TO billing.bill", "other", StatementEffect.NameChange)]
    [InlineData("DROP DATABASE other", "other", StatementEffect.None)]
    public void A_name_without_its_database_is_of_the_sessions_default(string statement, string database, object effect) =>
        Assert.Equal(effect, check.Check(statement, database, 0).Effect);
}
