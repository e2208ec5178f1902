using System.Collections.Immutable;
using System.Text.Json;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using MySqlConnector;

namespace BillingMigration.Store.Tests;

/// <summary>
/// A store that is opened through a view, with the rights that its policy gives and no others: on MySQL those of the GRANT statements, on DynamoDB those of the IAM policy.
/// </summary>
public sealed class StoreViewTests(SampleStores stores)
{
    private const string View = "support";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static ViewDefinition Support { get; } = new(new Dictionary<string, ImmutableArray<string>>
    {
        [BillingEntity.Customer] = ["customer_id", "customer_number", "customer_type"],
        [BillingEntity.Account] = ["account_id", "customer_id", "account_number", "status", "balance"],
        [BillingEntity.Charge] = ["charge_id", "account_id", "bill_id", "charged_at", "charge_type", "amount"],
    }.ToImmutableSortedDictionary());

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_view_reads_what_it_shows_with_no_more_rights_than_that(Backend backend)
    {
        await using var seen = await OpenAsync(backend);
        await using var whole = await stores.OpenAsync(backend);

        var customer = (await seen.Store.GetAsync(BillingEntity.Customer, "customer_id", 1, Cancel))!;
        Assert.Equal(Support.Columns[BillingEntity.Customer], customer.Columns);
        Assert.Equal((await whole.GetAsync(BillingEntity.Customer, "customer_id", 1, Cancel))!["customer_number"], customer["customer_number"]);
        Assert.Equal(StoreError.ColumnUnknown, Assert.Throws<StoreException>(() => customer["email"]).Error);

        // By the table, by an index with all attributes, by one with keys only, by one with some; whole and as a sum.
        foreach (var query in new[]
        {
            new RecordQuery(BillingEntity.Charge).Where("account_id", 1), new RecordQuery(BillingEntity.Account).Where("customer_id", 1),
            new RecordQuery(BillingEntity.Account).Where("account_number", (await seen.Store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!["account_number"]!),
            new RecordQuery(BillingEntity.Charge).Where("account_id", 1).Where("bill_id", null), new RecordQuery(BillingEntity.Charge).WhereWithin("charged_at", new DateTime(2025, 1, 1), new DateTime(2025, 3, 1)),
        })
        {
            var (few, all) = (await seen.Store.ListAsync(query, Cancel), await whole.ListAsync(query, Cancel));
            Assert.NotEmpty(all);
            Assert.Equal(all.Select(r => Text(r, query.Entity)), few.Select(r => Text(r, query.Entity)));
        }

        var totals = new TotalQuery(BillingEntity.Charge, "amount").Where("account_id", 1);
        Assert.Equal((await whole.TotalAsync(totals, Cancel))[0].Sum(0), (await seen.Store.TotalAsync(totals, Cancel))[0].Sum(0));
        Assert.Empty(seen.Refused);
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task What_a_view_hides_is_refused_and_so_is_every_write(Backend backend)
    {
        await using var seen = await OpenAsync(backend);
        Assert.Equal(StoreError.EntityUnknown, await RefusedAsync(() => seen.Store.GetAsync(BillingEntity.Bill, "bill_id", 1, Cancel)));
        Assert.Equal(StoreError.ColumnUnknown, await RefusedAsync(() => seen.Store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1).Where("description", "x"), Cancel)));
        Assert.Equal(StoreError.ColumnUnknown, await RefusedAsync(() => seen.Store.TotalAsync(new TotalQuery(BillingEntity.Charge, "tax_amount").Where("account_id", 1), Cancel)));
        Assert.Equal(StoreError.NoAccessPath, await RefusedAsync(() => seen.Store.ListAsync(new RecordQuery(BillingEntity.Account).Where("status", "ACTIVE"), Cancel)));
        Assert.Equal(StoreError.NotSupported, await RefusedAsync(() => seen.Store.InsertAsync(BillingEntity.Customer, SampleRows.Values(("customer_number", "V-1")), Cancel)));
    }

    /// <summary>The rights are what keeps an application from the rest, not its own good will.</summary>
    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task The_same_rights_without_the_view_read_nothing(Backend backend)
    {
        var error = await Assert.ThrowsAsync<MigrationException>(async () =>
        {
            await using var all = await OpenAsync(backend, throughView: false);
            await all.Store.GetAsync(BillingEntity.Customer, "customer_id", 1, Cancel);
        });
        if (backend == Backend.DynamoDb)
        {
            Assert.Equal(MigrationErrorKind.PermissionDenied, error.Kind);
        }
        else
        {
            // Tables and columns without a grant are not in this account's data dictionary.
            Assert.Equal("InvalidDefinition", error.ErrorId);
            Assert.Contains("does not show", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("SELECT email FROM customer")]
    [InlineData("SELECT * FROM customer")]
    [InlineData("SELECT bill_id FROM bill")]
    [InlineData("UPDATE billing_account SET balance = 0")]
    public async Task The_grants_allow_nothing_else(string sql)
    {
        var migration = await stores.MigrationAsync(Backend.MySql);
        await using var session = await MigrationSession.ConnectAsync(WithView(migration), migration.Credential, SampleMigration.Access, TimeProvider.System, Cancel);
        var account = $"v{Guid.NewGuid():N}"[..20];
        var policy = await ViewPolicy.CreateAsync(session, View, "*", $"'{account}'@'%'", Cancel);
        var root = SampleStores.SourceOf(migration);
        await ExecuteAsync(root, $"CREATE USER '{account}'@'%' IDENTIFIED BY 'of-a-test'; {string.Join(' ', policy.Grants)}");
        try
        {
            var of = new MySqlConnectionStringBuilder(root) { UserID = account, Password = "of-a-test", Database = migration.Definition.Source.Database, Pooling = false }.ConnectionString;
            await ExecuteAsync(of, "SELECT customer_number FROM customer");
            var error = await Assert.ThrowsAsync<MySqlException>(() => ExecuteAsync(of, sql));
            Assert.Contains(error.ErrorCode, new[] { MySqlErrorCode.TableAccessDenied, MySqlErrorCode.ColumnAccessDenied });
        }
        finally
        {
            await ExecuteAsync(root, $"DROP USER '{account}'@'%'");
        }
    }

    [Fact]
    public async Task A_name_that_is_hidden_in_one_entity_and_shown_in_another_is_told()
    {
        var migration = await stores.MigrationAsync(Backend.MySql);
        await using var session = await MigrationSession.ConnectAsync(WithView(migration), migration.Credential, SampleMigration.Access, TimeProvider.System, Cancel);
        var policy = await ViewPolicy.CreateAsync(session, View, "123456789012", "'support'@'%'", Cancel);
        Assert.Contains("BILL.status (as BILLING_ACCOUNT.status)", policy.ShownBesides);
        Assert.DoesNotContain(policy.ShownBesides, s => s.Contains("email", StringComparison.Ordinal));
        Assert.Contains("arn:aws:dynamodb:eu-central-1:123456789012:table/", policy.PolicyDocument, StringComparison.Ordinal);
        Assert.Equal("ViewUnknown", (await Assert.ThrowsAsync<MigrationException>(() => ViewPolicy.CreateAsync(session, "sales", "*", "'s'@'%'", Cancel))).ErrorId);
    }

    private static string Text(BillingRecord record, string entity) => string.Join('|', Support.Columns[entity].Select(c => record.Text(c) ?? "NULL"));

    private static async Task<StoreError> RefusedAsync(Func<Task> call) => (await Assert.ThrowsAsync<StoreException>(call)).Error;

    private static MigrationDefinition WithView(SampleMigration migration) =>
        migration.Definition with { Views = ImmutableSortedDictionary<string, ViewDefinition>.Empty.Add(View, Support) };

    private async Task<Opened> OpenAsync(Backend backend, bool throughView = true)
    {
        var migration = await stores.MigrationAsync(backend);
        var definition = WithView(migration);
        await using var session = await MigrationSession.ConnectAsync(definition, migration.Credential, SampleMigration.Access, TimeProvider.System, Cancel);
        var account = $"v{Guid.NewGuid():N}"[..20];
        var policy = await ViewPolicy.CreateAsync(session, View, "*", $"'{account}'@'%'", Cancel);
        definition = throughView ? definition.Through(View) : definition;
        if (backend == Backend.DynamoDb)
        {
            var proxy = await stores.DynamoDbProxyAsync();
            var iam = new IamPolicy(policy.PolicyDocument);
            proxy.Faults.Allowed = iam.Allows;
            var access = SampleMigration.Access with { EndpointUrl = proxy.Url };
            return new Opened(await DynamoDbBillingStore.OpenAsync(definition, access, new StoreTimes { IntentPeriod = TimeSpan.FromMilliseconds(1) }, TimeProvider.System, Cancel), proxy, iam.Refused, null);
        }

        var source = new MySqlConnectionStringBuilder(SampleStores.SourceOf(migration)) { Database = "" }.ConnectionString;
        await ExecuteAsync(source, $"CREATE USER '{account}'@'%' IDENTIFIED BY 'of-a-test'; {string.Join(' ', policy.Grants)}");
        try
        {
            return new Opened(await MySqlBillingStore.OpenAsync(definition, new SourceCredential(account, "of-a-test"), TimeProvider.System, Cancel), null, [], () => ExecuteAsync(source, $"DROP USER '{account}'@'%'"));
        }
        catch
        {
            await ExecuteAsync(source, $"DROP USER '{account}'@'%'");
            throw;
        }
    }

    private static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new MySqlConnection(connectionString);
        await connection.OpenAsync(Cancel);
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private sealed record Opened(BillingStore Store, FaultProxy? Proxy, IReadOnlyCollection<string> Refused, Func<Task>? End) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Store.DisposeAsync();
            await (Proxy?.DisposeAsync() ?? ValueTask.CompletedTask);
            await (End?.Invoke() ?? Task.CompletedTask);
        }
    }
}
