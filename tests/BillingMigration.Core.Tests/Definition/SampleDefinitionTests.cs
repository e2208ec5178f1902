using BillingMigration.Definition;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Definition;

public sealed class SampleDefinitionTests
{
    private readonly MigrationDefinition definition = MigrationDefinitionFile.Load(Repository.PathOf("examples", "sample", "migration.json"));

    [Fact]
    public void The_sample_loads_whole()
    {
        Assert.Equal("sample-billing", definition.Name);
        Assert.Equal(("127.0.0.1", 33306, "billing", SourceTlsMode.None), (definition.Source.Host, definition.Source.Port, definition.Source.Database, definition.Source.Tls.Mode));
        Assert.Equal(("billing", "billing-migration", "eu-central-1"), (definition.Target.Table, definition.Target.ControlTableName, definition.Target.Region));
        Assert.Equal(new Uri("http://127.0.0.1:33800"), definition.Target.EndpointUrl);
        Assert.Equal("billing", definition.Target.Tags["application"]);
        Assert.Equal((4, 16), (definition.Throttle.Readers, definition.Throttle.Writers));
        Assert.Equal(["gsi1", "gsi2", "gsi3", "gsi4"], definition.Indexes.Select(i => i.Name));
        Assert.Null(definition.Indexes[0].Include);
        Assert.Empty(definition.Indexes[1].Include!.Value);
        Assert.Equal(13, definition.Indexes[3].Include!.Value.Length);
        Assert.Equal(["CUSTOMER", "BILLING_ACCOUNT", "SUBSCRIBER", "SERVICE_AGREEMENT", "BILL", "CHARGE"], definition.Entities.Select(e => e.Entity));
        Assert.Equal(Repository.PathOf("examples", "sample"), definition.BaseDirectory);
    }

    [Fact]
    public void Its_keys_have_their_parts()
    {
        var charge = definition.Entities.Single(e => e.Entity == "CHARGE");
        Assert.Equal(
            [new KeyLiteral("CHARGE#"), new KeyColumn(null, "charged_at", null, null), new KeyLiteral("#"), new KeyColumn(null, "charge_id", "D20", null)],
            charge.SortKey.Parts.AsEnumerable());
        Assert.Equal(["BILL#{bill_id}", "ACCOUNT#{account_id}#UNBILLED"], charge.Indexes["gsi1"].PartitionKey.Select(t => t.Text));
        Assert.Contains(new KeyColumn(null, "charge_id", null, 16), charge.Indexes["gsi4"].PartitionKey[0].Columns);
        var bill = definition.Entities.Single(e => e.Entity == "BILL");
        Assert.Equal("status", bill.Indexes["gsi3"].When!.Column);
        Assert.Equal(["ISSUED", "OVERDUE"], bill.Indexes["gsi3"].When!.In.AsEnumerable());
        Assert.True(definition.Entities[0].Columns["EMAIL"].Sensitive);
    }
}
