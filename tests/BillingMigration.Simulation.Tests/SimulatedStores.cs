using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>Stores of several application processes on one simulated table, with rows as the migration leaves them.</summary>
internal sealed class SimulatedStores : IDisposable
{
    private readonly Random random = new(1);

    public SimulatedStores(SimulationOptions? options = null, Func<TableSchema, TableSchema>? change = null, Func<string, string>? define = null)
    {
        DynamoDb = new SimulatedDynamoDb(Time, seed: 1, options ?? SimulationOptions.Quiet);
        Shop = new SimulatedShop(Time, DynamoDb, change, define);
        Time.Run(async () =>
        {
            foreach (var step in Shop.Steps())
            {
                await step();
            }
        });
    }

    /// <summary>Takes a little time for everything, as a network does.</summary>
    public static SimulationOptions Network { get; } = new()
    {
        Arrival = TimeSpan.FromMilliseconds(4), Work = TimeSpan.FromMilliseconds(2), Answer = TimeSpan.FromMilliseconds(4), TransactionWork = TimeSpan.FromMilliseconds(8),
    };

    public VirtualTime Time { get; } = new();

    public SimulatedDynamoDb DynamoDb { get; }

    public SimulatedShop Shop { get; }

    /// <summary>A row that was migrated: it has no claim, and all indexes show it.</summary>
    public void Migrate(string entity, long id, params (string Column, object? Value)[] values)
    {
        var model = Shop.Model[entity];
        var row = SimulatedShop.RowOf(model, id, values.ToDictionary(v => v.Column, v => v.Value));
        Time.Run(() => Shop.PutAsync(model, row));
        DynamoDb.RunUntilQuiet();
    }

    /// <summary>A customer with an account, each with this id.</summary>
    /// <param name="values">Of the account, besides what all have.</param>
    public void MigrateEmptyAccount(long id, params (string Column, object? Value)[] values)
    {
        Migrate(BillingEntity.Customer, id, ("customer_number", $"C{id}"), ("address", "{}"));
        Migrate(
            BillingEntity.Account, id,
            [("customer_id", id), ("account_number", $"A{id}"), ("currency", "EUR"), ("bill_cycle_day", 5), ("opened_at", At), .. values]);
    }

    /// <summary>A customer with an account, a subscriber and a bill, each with this id.</summary>
    public void MigrateAccount(long id)
    {
        MigrateEmptyAccount(id, ("balance", 100m));
        Migrate(BillingEntity.Subscriber, id, ("account_id", id), ("phone_number", $"+{id}"), ("activated_at", At));
        Migrate(BillingEntity.Bill, id, [.. SampleRows.Bill(id, $"B{id}").SetItem("total", 158m).Select(v => (v.Key, v.Value))]);
    }

    /// <summary>Charges of an account without tax.</summary>
    /// <param name="values">Of each, besides what all have; null: none.</param>
    public void MigrateCharges(long account, int count, long first = 100, decimal amount = 1m, Func<int, (string Column, object? Value)[]>? values = null)
    {
        for (var n = 0; n < count; n++)
        {
            var charge = SampleRows.Charge(account, amount).SetItem("tax_amount", 0m).SetItems((values?.Invoke(n) ?? []).Select(v => KeyValuePair.Create(v.Column, v.Value)));
            Migrate(BillingEntity.Charge, first + n, [.. charge.Select(v => (v.Key, v.Value))]);
        }
    }

    /// <summary>A bill that <see cref="BillingOperations"/> makes of an account's charges.</summary>
    public static ImmutableDictionary<string, object?> NewBill(long account, string number = "NEW") => SampleRows.Bill(account, number).RemoveRange(["subtotal", "tax_amount", "total"]);

    /// <summary>How a call ends: <c>Done</c>, the name of its error, or <c>Never</c> after an hour.</summary>
    public async Task<string> EndAsync(Task call)
    {
        if (await Task.WhenAny(call, PassAsync(TimeSpan.FromHours(1))) != call)
        {
            return "Never";
        }

        return await Record.ExceptionAsync(() => call) switch
        {
            null => "Done",
            StoreException e => e.Error.ToString(),
            MigrationException e => e.ErrorId,
            var other => throw other,
        };
    }

    public static DateTime At { get; } = new(2026, 2, 1, 0, 0, 0, DateTimeKind.Unspecified);

    public DynamoDbBillingStore Open(string name = "app") => Time.Run(() => Shop.OpenAsync(new SimulatedProcess(Time, name), random));

    /// <summary>Opens a store that knows a later schema, which the others do not know.</summary>
    public DynamoDbBillingStore OpenLater(TableSchema[] tables)
    {
        Time.Run(() => Shop.SaveSchemaAsync(tables));
        return Open("later");
    }

    public T Run<T>(Func<Task<T>> call) => Time.Run(call);

    public void Run(Func<Task> call) => Time.Run(call);

    /// <summary>Virtual time passes: nothing waits for a clock of the machine, and what is due meanwhile happens in its order.</summary>
    public Task PassAsync(TimeSpan span) => Task.Delay(span, Time);

    /// <summary>Items of the billing table, when everything that is on its way has landed.</summary>
    public IReadOnlyDictionary<string, Item> Items()
    {
        DynamoDb.RunUntilQuiet();
        return DynamoDb.Items(Shop.Definition.Target.Table).ToDictionary(i => $"{i.Key.Partition.Text}/{i.Key.Sort!.Text}", i => i.Value);
    }

    /// <summary>What large units have left in the control table.</summary>
    public int OpenUnits()
    {
        DynamoDb.RunUntilQuiet();
        return DynamoDb.Items(Shop.Definition.Target.ControlTableName).Count(i => i.Key.Partition.Text.EndsWith("#INTENT", StringComparison.Ordinal) || (i.Key.Sort!.Text == "VERSION" && i.Value.ContainsKey("going")));
    }

    /// <summary>Sets an attribute of the one intent that there is.</summary>
    /// <param name="value">Null: takes it away.</param>
    /// <returns>What it was; null: it was not there.</returns>
    public string? ChangeIntent(string attribute, string? value) => Run(() => SetIntentAsync(attribute, value));

    /// <inheritdoc cref="ChangeIntent"/>
    public async Task<string?> SetIntentAsync(string attribute, string? value)
    {
        var (key, item) = DynamoDb.Items(Shop.Definition.Target.ControlTableName).Single(i => i.Key.Partition.Text.EndsWith("#INTENT", StringComparison.Ordinal));
        var was = item.TryGetValue(attribute, out var found) ? found.Text : null;
        await Shop.SetControlAsync(key.Partition.Text, key.Sort!.Text, attribute, value);
        return was;
    }

    /// <summary>The faults of the next transactions, in their order.</summary>
    public void NextTransactions(params Fault[] faults)
    {
        var left = new Queue<Fault>(faults);
        DynamoDb.Script = request => request.Operation == "TransactWriteItems" && left.TryDequeue(out var fault) ? fault : null;
    }

    public void Dispose() => Shop.Dispose();
}
