using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>A store whose process can be held or killed at a request, beside others.</summary>
internal sealed class LargeUnitShop : IDisposable
{
    public LargeUnitShop(SimulationOptions? options = null, Func<TableSchema, TableSchema>? change = null, Func<string, string>? define = null)
    {
        Stores = new SimulatedStores(options ?? SimulatedStores.Network, change, define);
        Process = new SimulatedProcess(Stores.Time, "owner");
    }

    public SimulatedStores Stores { get; }

    public SimulatedProcess Process { get; }

    /// <summary>The sample's definition with each bill in a partition of its own.</summary>
    public static string BillsAlone(string json) => json
        .Replace("\"sk\": \"BILL#{bill_date}#{bill_id:D20}\"", "\"sk\": \"BILL\"", StringComparison.Ordinal)
        .Replace("\"pk\": \"ACCOUNT#{account_id}\",\n      \"sk\": \"BILL\"", "\"pk\": \"BILL#{bill_id}\",\n      \"sk\": \"BILL\"", StringComparison.Ordinal)
        .Replace(
            "\"gsi1\": { \"pk\": \"BILL#{bill_id}\", \"sk\": \"BILL\" }",
            "\"gsi1\": { \"pk\": \"ACCOUNT#{account_id}#BILLS\", \"sk\": \"BILL#{bill_date}#{bill_id:D20}\" }",
            StringComparison.Ordinal);

    /// <summary>A table with more columns than one condition takes.</summary>
    public static TableSchema Wide(TableSchema table, string name, int columns) => table.Name != name ? table : table with
    {
        Columns = [.. table.Columns, .. Enumerable.Range(1, columns).Select(n => new ColumnSchema { Name = $"extra_{n}", Ordinal = table.Columns.Length + n, DataType = "int", ColumnType = "int", Nullable = true, HasDefault = true })],
    };

    public static ImmutableDictionary<string, object?> Subscriber(long account, string phone) =>
        Testing.SampleRows.Values(("account_id", account), ("phone_number", phone), ("activated_at", SimulatedStores.At));

    public DynamoDbBillingStore OpenOwner() => Stores.Run(() => Stores.Shop.OpenAsync(Process, new Random(5)));

    /// <summary>At transactions of the owner.</summary>
    /// <param name="text">That stands in them.</param>
    /// <param name="happens">Null: nothing special.</param>
    public void At(string text, Func<Fault?> happens) =>
        Stores.DynamoDb.Script = r => r.Process == Process && r.Operation == "TransactWriteItems" && r.Json.Contains(text, StringComparison.Ordinal) ? happens() : null;

    public async Task UntilAsync(Func<bool> isSo)
    {
        while (!isSo())
        {
            await Stores.PassAsync(TimeSpan.FromMilliseconds(1));
        }
    }

    public void Dispose() => Stores.Dispose();
}
