using BillingMigration.Source.Changes;

namespace BillingMigration.Tests.Source.Changes;

/// <summary>Which statements in the binlog stop the sync.</summary>
public sealed class StatementCheckTests
{
    private readonly StatementCheck check = new("billing", ["charge", "bill"]);

    [Theory]
    [InlineData("CREATE INDEX x ON charge (amount)")]
    [InlineData("ALTER TABLE charge ADD INDEX x (amount), COMMENT = 'with, commas'")]
    [InlineData("alter table `billing`.`charge` auto_increment=7")]
    [InlineData("ALTER TABLE charge REORGANIZE PARTITION p INTO (PARTITION a VALUES LESS THAN (1))")]
    [InlineData("ALTER TABLE charge ADD PARTITION (PARTITION p9 VALUES LESS THAN (9))")]
    [InlineData("ALTER TABLE customer ADD COLUMN charge INT")]
    [InlineData("DROP TABLE IF EXISTS other.charge")]
    [InlineData("TRUNCATE TABLE customer /* charge */")]
    [InlineData("CREATE TABLE IF NOT EXISTS charge (id INT)")]
    [InlineData("ANALYZE TABLE charge")]
    [InlineData("CREATE VIEW v AS SELECT * FROM charge")]
    [InlineData("DROP TEMPORARY TABLE charge")]
    public void Is_followed(string statement) => Assert.Equal(StatementEffect.None, check.Check(statement, "billing").Effect);

    [Theory]
    [InlineData("TRUNCATE charge", "TRUNCATE TABLE")]
    [InlineData("/* x */ TRUNCATE TABLE `Charge`", "TRUNCATE TABLE")]
    [InlineData("DROP TABLE customer, billing.bill", "DROP TABLE")]
    [InlineData("RENAME TABLE charge TO charge_old, charge_new TO charge", "RENAME TABLE")]
    [InlineData("ALTER TABLE charge ADD COLUMN x INT", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge ADD x INT", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge COMMENT 'a', DROP COLUMN amount", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge MODIFY amount BIGINT", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge DROP PRIMARY KEY, ADD PRIMARY KEY (x)", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge TRUNCATE PARTITION p", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge DROP PARTITION p", "ALTER TABLE")]
    [InlineData("ALTER TABLE other EXCHANGE PARTITION p WITH TABLE charge", "ALTER TABLE")]
    [InlineData("ALTER TABLE shadow RENAME TO bill", "ALTER TABLE")]
    [InlineData("/*!50000 TRUNCATE TABLE charge */", "TRUNCATE TABLE")]
    [InlineData("DROP DATABASE billing", "DROP DATABASE")]
    [InlineData("CREATE OR REPLACE TABLE charge (id INT)", "CREATE OR REPLACE TABLE")]
    public void Stops_the_sync(string statement, string kind)
    {
        var verdict = check.Check(statement, "billing");
        Assert.Equal((StatementEffect.SchemaChange, kind), (verdict.Effect, verdict.Kind));
    }

    [Theory]
    [InlineData("UPDATE charge SET amount = 1")]
    [InlineData("insert into billing.bill values (1)")]
    public void Rows_changed_by_a_statement_stop_the_sync(string statement) =>
        Assert.Equal(StatementEffect.RowsByStatement, check.Check(statement, "billing").Effect);
}
