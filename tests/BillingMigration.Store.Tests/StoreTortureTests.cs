using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Store.Tests;

/// <summary>The searcher's short form, and what it rests on.</summary>
public sealed class StoreTortureTests(SampleStores stores)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whatever_DynamoDB_and_the_network_do_what_was_told_is_true(int seed)
    {
        var result = StoreTorture.Run(new StoreTortureOptions { Seed = seed, Calls = 250 });
        Assert.Empty(result.Violations);
        Assert.InRange(result.Told["Done"], 100, 250);
    }

    [Fact]
    public void A_trial_is_the_same_again_with_its_seed()
    {
        var options = new StoreTortureOptions { Seed = 11, Calls = 60 };
        var (one, two) = (StoreTorture.Run(options), StoreTorture.Run(options));
        Assert.Equal((one.Requests, one.Commits, one.Virtual), (two.Requests, two.Commits, two.Virtual));
    }

    [Fact]
    public async Task The_schema_that_is_tried_is_the_samples()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await using var connection = await shop.Database.OpenAsync();
        var definition = shop.Migration.Definition;
        var tables = await SchemaInspector.InspectAsync(connection, definition.Source.Database, BillingModel.TablesOf(definition), TestContext.Current.CancellationToken);
        var json = await File.ReadAllTextAsync(Repository.PathOf("tests", "BillingMigration.Torture", "Store", "sample-schema.json"), TestContext.Current.CancellationToken);
        Assert.Equal(SimulatedShop.Json(tables.Values), json);
    }
}
