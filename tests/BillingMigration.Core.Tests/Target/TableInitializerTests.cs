using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Target;
using Xunit;

namespace BillingMigration.Tests.Target;

public sealed class TableInitializerTests(DynamoDbLocalFixture server) : IAsyncLifetime
{
    private static readonly IndexDefinition[] Indexes =
        [new() { Name = "gsi1" }, new() { Name = "gsi2", Include = [] }, new() { Name = "gsi3", Include = ["entity", "amount"] }];

    private readonly Texts progress = new();
    private MigrationDefinition definition = null!;
    private TargetConnection target = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        definition = server.Definition(indexes: Indexes);
        definition = definition with { Target = definition.Target with { Tags = definition.Target.Tags.Add("application", "billing") } };
        target = await server.ConnectAsync();
    }

    public ValueTask DisposeAsync() => target.DisposeAsync();

    [Fact]
    public async Task It_creates_both_tables_as_the_definition_says_and_then_finds_nothing_to_do()
    {
        var first = await new TableInitializer(definition, target, TimeProvider.System).InitializeAsync(progress, Token);
        Assert.All(first, s => Assert.Contains(s.Status, new[] { InitializeStepStatus.Done, InitializeStepStatus.NotSupportedByEndpoint }));
        var unsupported = first.Where(s => s.Status == InitializeStepStatus.NotSupportedByEndpoint).Select(s => s.Setting).Distinct().Order();
        Assert.Equal(["Encryption", "PointInTimeRecovery", "Tags"], unsupported);

        var table = (await target.Client.DescribeTableAsync(definition.Target.Table, Token)).Table;
        Assert.Equal("pk (HASH, S), sk (RANGE, S)", TableSpec.Describe(table.KeySchema, table.AttributeDefinitions));
        Assert.Equal(["gsi1: ALL", "gsi2: KEYS_ONLY", "gsi3: INCLUDE amount, entity"], table.GlobalSecondaryIndexes.Select(i => $"{i.IndexName}: {TableSpec.Describe(i.Projection)}").Order());
        Assert.Equal(StreamViewType.NEW_AND_OLD_IMAGES, table.StreamSpecification.StreamViewType);
        Assert.True(table.DeletionProtectionEnabled);
        Assert.Equal(Amazon.DynamoDBv2.BillingMode.PAY_PER_REQUEST, table.BillingModeSummary.BillingMode);
        var control = (await target.Client.DescribeTableAsync(definition.Target.ControlTableName, Token)).Table;
        Assert.True(control.DeletionProtectionEnabled);
        Assert.Null(control.StreamSpecification);

        var again = await new TableInitializer(definition, target, TimeProvider.System).InitializeAsync(progress, Token);
        Assert.All(again, s => Assert.Contains(s.Status, new[] { InitializeStepStatus.Unchanged, InitializeStepStatus.NotSupportedByEndpoint }));
        Assert.Contains(progress.Said, t => t.StartsWith("Creating table", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_plan_changes_nothing()
    {
        var plan = await new TableInitializer(definition, target, TimeProvider.System).PlanAsync(Token);
        Assert.All(plan, s => Assert.Equal(InitializeStepStatus.Planned, s.Status));
        Assert.Contains(plan, s => s.Setting == "Index gsi3" && s.Detail.Contains("INCLUDE amount, entity", StringComparison.Ordinal));
        await Assert.ThrowsAsync<ResourceNotFoundException>(() => target.Client.DescribeTableAsync(definition.Target.Table, Token));
    }

    [Fact]
    public async Task What_is_missing_on_an_existing_table_is_added()
    {
        var plain = TableSpec.Control(definition.Target).ToRequest();
        plain.TableName = definition.Target.Table;
        plain.DeletionProtectionEnabled = false;
        await target.Client.CreateTableAsync(plain, Token);

        var plan = await new TableInitializer(definition, target, TimeProvider.System).PlanAsync(Token);
        Assert.Equal(InitializeStepStatus.Planned, Of(plan, "Stream").Status);
        var steps = await new TableInitializer(definition, target, TimeProvider.System).InitializeAsync(progress, Token);
        foreach (var setting in new[] { "Index gsi1", "Index gsi2", "Index gsi3", "Stream", "DeletionProtection" })
        {
            Assert.Equal(InitializeStepStatus.Done, Of(steps, setting).Status);
        }

        Assert.Equal(InitializeStepStatus.Unchanged, Of(steps, "KeySchema").Status);
        var table = (await target.Client.DescribeTableAsync(definition.Target.Table, Token)).Table;
        Assert.Equal(3, table.GlobalSecondaryIndexes.Count);
        Assert.True(table.DeletionProtectionEnabled);
        Assert.Equal(StreamViewType.NEW_AND_OLD_IMAGES, table.StreamSpecification.StreamViewType);
    }

    [Fact]
    public async Task What_differs_and_cannot_be_changed_is_told_with_a_remedy()
    {
        var other = definition with
        {
            Indexes = [new() { Name = "gsi1", Include = ["amount"] }],
            Target = definition.Target with { BillingMode = global::BillingMigration.Definition.BillingMode.Provisioned, ReadCapacityUnits = 7, WriteCapacityUnits = 9 },
        };
        await new TableInitializer(other, target, TimeProvider.System).InitializeAsync(progress, Token);

        var steps = await new TableInitializer(definition, target, TimeProvider.System).InitializeAsync(progress, Token);
        Assert.Equal(InitializeStepStatus.Differs, Of(steps, "Index gsi1").Status);
        Assert.Contains("INCLUDE amount", Of(steps, "Index gsi1").Detail);
        Assert.Equal(InitializeStepStatus.Differs, Of(steps, "BillingMode").Status);
        Assert.Contains("7 read and 9 write units", Of(steps, "BillingMode").Detail);
        Assert.Equal(InitializeStepStatus.Done, Of(steps, "Index gsi2").Status);
    }

    [Fact]
    public async Task Another_key_schema_is_refused_and_nothing_is_touched()
    {
        await target.Client.CreateTableAsync(
            new CreateTableRequest
            {
                TableName = definition.Target.Table,
                AttributeDefinitions = [new("id", ScalarAttributeType.N)],
                KeySchema = [new("id", KeyType.HASH)],
                BillingMode = Amazon.DynamoDBv2.BillingMode.PAY_PER_REQUEST,
            },
            Token);
        var initializer = new TableInitializer(definition, target, TimeProvider.System);
        foreach (var run in new Func<Task>[] { () => initializer.InitializeAsync(progress, Token), () => initializer.PlanAsync(Token) })
        {
            var error = await Assert.ThrowsAsync<MigrationException>(run);
            Assert.Equal(("WrongKeySchema", definition.Target.Table), (error.ErrorId, error.Target));
            Assert.Contains("id (HASH, N)", error.Message);
            Assert.Contains("pk (HASH, S), sk (RANGE, S)", error.Message);
        }

        await Assert.ThrowsAsync<ResourceNotFoundException>(() => target.Client.DescribeTableAsync(definition.Target.ControlTableName, Token));
    }

    private InitializeStep Of(IEnumerable<InitializeStep> steps, string setting) =>
        steps.Single(s => s.Table == definition.Target.Table && s.Setting == setting);

    private sealed class Texts : IProgress<string>
    {
        public List<string> Said { get; } = [];

        public void Report(string value) => Said.Add(value);
    }
}
