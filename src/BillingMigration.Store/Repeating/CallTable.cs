namespace BillingMigration.Store;

/// <summary>The table of calls, as an operator creates it.</summary>
internal static class CallTable
{
    private const string Table = "billing_call";

    /// <summary>For MySQL and MariaDB.</summary>
    public static string Sql(BillingColumns names) =>
        $"CREATE TABLE {Table} ({names.CallKey} VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, {names.CallAnswer} TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL, "
        + $"{names.CallMadeAt} DATETIME(6) NOT NULL, KEY ({names.CallMadeAt})) ENGINE=InnoDB";

    /// <summary>An element of <c>entities</c>.</summary>
    public static string Definition(BillingColumns names) =>
        $$"""{ "entity": "{{BillingEntity.Call}}", "table": "{{Table}}", "pk": "CALL#{{{names.CallKey}}}", "sk": "CALL" }""";
}
