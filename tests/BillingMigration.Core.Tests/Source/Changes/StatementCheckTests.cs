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
    [InlineData("DROP INDEX x ON charge")]
    [InlineData("ALTER TABLE charge ADD UNIQUE (x)")]
    [InlineData("ALTER TABLE charge ADD CONSTRAINT c CHECK (x > 1)")]
    [InlineData("ALTER IGNORE TABLE customer ADD UNIQUE (charge)")]
    [InlineData("ALTER TABLE other.x ADD FOREIGN KEY (c) REFERENCES charge (id)")]
    [InlineData("CREATE TABLE x (`references` INT, bill INT)")]
    [InlineData("CREATE TABLE x (y INT REFERENCES customer (id))")]
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
    [InlineData("ALTER IGNORE TABLE charge ADD UNIQUE (x)", "ALTER IGNORE TABLE")]
    [InlineData("ALTER ONLINE IGNORE TABLE billing.charge ADD CONSTRAINT c CHECK (x > 1)", "ALTER IGNORE TABLE")]
    [InlineData("ALTER /*!50000 IGNORE */ TABLE charge ADD UNIQUE KEY k (x)", "ALTER IGNORE TABLE")]
    [InlineData("ALTER IGNORE TABLE IF EXISTS charge MODIFY x TINYINT", "ALTER IGNORE TABLE")]
    [InlineData("ALTER TABLE charge ADD SYSTEM VERSIONING", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge COMMENT 'x' WITH SYSTEM VERSIONING", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge ADD PERIOD FOR SYSTEM_TIME (a, b), ADD SYSTEM VERSIONING", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge DROP INDEX `PRIMARY`", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge DROP CONSTRAINT `PRIMARY`", "ALTER TABLE")]
    [InlineData("DROP INDEX `PRIMARY` ON charge", "DROP INDEX")]
    [InlineData("ALTER TABLE charge DROP FOREIGN KEY f, DROP COLUMN x", "ALTER TABLE")]
    [InlineData("ALTER TABLE charge ADD COLUMN x INT REFERENCES bill (id)", "ALTER TABLE")]
    public void Stops_the_sync(string statement, string kind)
    {
        var verdict = check.Check(statement, "billing");
        Assert.Equal((StatementEffect.SchemaChange, kind), (verdict.Effect, verdict.Kind));
    }

    [Theory]
    [InlineData("ALTER TABLE charge ADD FOREIGN KEY (x) REFERENCES customer (id)", "ALTER TABLE", "charge")]
    [InlineData("ALTER TABLE charge ADD CONSTRAINT `f` FOREIGN KEY (x, y) REFERENCES bill (a, b) ON DELETE CASCADE", "ALTER TABLE", "charge")]
    [InlineData("ALTER TABLE charge COMMENT 'x', ADD CONSTRAINT FOREIGN KEY f (x) REFERENCES bill (a)", "ALTER TABLE", "charge")]
    [InlineData("ALTER TABLE charge DROP FOREIGN KEY f", "ALTER TABLE", "charge")]
    [InlineData("ALTER TABLE charge DROP CONSTRAINT IF EXISTS f", "ALTER TABLE", "charge")]
    [InlineData("ALTER TABLE customer ADD FOREIGN KEY (x) REFERENCES charge (id)", "ALTER TABLE", "charge")]
    [InlineData("ALTER TABLE other.x ADD FOREIGN KEY (c) REFERENCES billing.charge (id)", "ALTER TABLE", "charge")]
    [InlineData("CREATE TABLE x (c INT, CONSTRAINT f FOREIGN KEY (c) REFERENCES `bill` (id) ON DELETE SET NULL)", "CREATE TABLE", "bill")]
    [InlineData("CREATE TABLE IF NOT EXISTS x (c INT REFERENCES billing . bill (id))", "CREATE TABLE", "bill")]
    [InlineData("/*!50000 CREATE TABLE x (c INT REFERENCES bill (id)) */", "CREATE TABLE", "bill")]
    public void Foreign_keys_that_come_and_go_are_told_apart(string statement, string kind, string table) =>
        Assert.Equal(new StatementVerdict(StatementEffect.ForeignKeyChange, kind, table), check.Check(statement, "billing"));

    [Fact]
    public void An_unqualified_reference_is_to_a_table_of_the_referring_ones_database() =>
        Assert.Equal(
            new StatementVerdict(StatementEffect.ForeignKeyChange, "ALTER TABLE", "charge"),
            check.Check("ALTER TABLE billing.x ADD FOREIGN KEY (c) REFERENCES charge (id)", "other"));

    [Theory]
    [InlineData("UPDATE charge SET amount = 1")]
    [InlineData("insert into billing.bill values (1)")]
    public void Rows_changed_by_a_statement_stop_the_sync(string statement) =>
        Assert.Equal(StatementEffect.RowsByStatement, check.Check(statement, "billing").Effect);
}
