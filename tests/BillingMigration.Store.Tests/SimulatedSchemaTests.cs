using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Store.Tests;

/// <summary>What simulated stores rest on.</summary>
public sealed class SimulatedSchemaTests(SampleStores stores)
{
    [Fact]
    public async Task The_schema_that_is_simulated_is_the_samples()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false, CallTable.Sql(new()), with: SimulatedShop.WithCalls);
        await using var connection = await shop.Database.OpenAsync();
        var definition = shop.Migration.Definition;
        var tables = await SchemaInspector.InspectAsync(connection, definition.Source.Database, BillingModel.TablesOf(definition), TestContext.Current.CancellationToken);
        var json = await File.ReadAllTextAsync(Repository.PathOf("tests", "BillingMigration.Torture", "Store", "sample-schema.json"), TestContext.Current.CancellationToken);
        Assert.Equal(SimulatedShop.Json(tables.Values), json);
    }
}
