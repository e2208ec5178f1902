using System.Text;
using System.Text.Json;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Target;
using BillingMigration.Testing;
using BillingMigration.Tests.Integrity;
using BillingMigration.Tests.Sync;
using BillingMigration.Transfer;
using MySqlConnector;

namespace BillingMigration.Tests.Snapshot;

/// <summary>Encrypted columns, from the first export to the proof, with a real table and a KMS.</summary>
public sealed class EncryptionTests(TestServers servers)
{
    private const long Rows = 3_000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Encrypted_columns_are_exported_followed_and_proved_and_nothing_shows_them(bool mariaDb)
    {
        await using var scenario = await CreateAsync(mariaDb);
        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync()).Outcome);
        await scenario.Database.ExecuteAsync("UPDATE customer SET email = CONCAT('new.', email), birth_date = birth_date + INTERVAL 1 DAY WHERE customer_id % 3 = 0; UPDATE billing_account SET iban = NULL WHERE account_id % 5 = 0");
        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        var proof = await scenario.CheckAsync();
        Assert.Equal((IntegrityOutcome.Passed, 0), (proof.Outcome, proof.Differences.Length));

        // Nothing of a value of these columns is anywhere in the tables.
        var table = string.Join('\n', (await AllItemsAsync(scenario, scenario.Migration.Table)).Concat(await AllItemsAsync(scenario, scenario.Migration.Definition.Target.ControlTableName)));
        foreach (var (column, from) in new[] { ("email", "customer"), ("tax_id", "customer"), ("iban", "billing_account"), ("display_name", "subscriber"), ("imsi", "subscriber") })
        {
            var values = await ValuesAsync(scenario, $"SELECT {column} FROM {from} WHERE LENGTH({column}) > 10");
            Assert.NotEmpty(values);
            Assert.DoesNotContain(values, v => table.Contains(v, StringComparison.Ordinal));
        }

        // And all of them come back.
        Assert.Equal(
            await ValuesAsync(scenario, "SELECT CONCAT_WS('|', customer_id, email, birth_date, tax_id) FROM customer ORDER BY customer_id"),
            await DecodedAsync(scenario, "CUSTOMER", "customer_id", "email", "birth_date", "tax_id"));
    }

    [Fact]
    public async Task The_proof_finds_what_was_moved_from_one_row_to_another_and_does_not_show_it()
    {
        await using var scenario = await CreateAsync(false);
        await scenario.ExportAsync();
        var items = (await scenario.ItemsAsync("CUSTOMER")).Where(i => i.ContainsKey("email")).Take(2).ToList();
        (items[0]["email"], items[1]["email"]) = (items[1]["email"], items[0]["email"]);
        await scenario.PutAsync(items[0]);
        await scenario.PutAsync(items[1]);
        var proof = await scenario.CheckAsync();
        Assert.Equal((IntegrityOutcome.Failed, 2), (proof.Outcome, proof.Differences.Length));
        Assert.All(proof.Differences, d => Assert.Equal(("email", true), (Assert.Single(d.Attributes).Name, d.Attributes[0].Sensitive)));
        var emails = await ValuesAsync(scenario, "SELECT email FROM customer WHERE LENGTH(email) > 0");
        Assert.DoesNotContain(emails, e => JsonSerializer.Serialize(proof.Differences).Contains(e, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_data_key_is_made_once_and_only_KMS_opens_it()
    {
        await using var scenario = await CreateAsync(false);
        await using var session = await scenario.Migration.ConnectAsync();
        var again = await new TableInitializer(session).InitializeAsync(new Progress<string>(), Cancel);
        Assert.Equal(InitializeStepStatus.Unchanged, again.Single(s => s.Setting == "DataKey").Status);

        // As if it were another table's: KMS binds the wrapped key to what it is for.
        var (control, name) = (scenario.Migration.Definition.Target.ControlTableName, scenario.Migration.Definition.Name);
        var item = (await scenario.Migration.Client.GetItemAsync(control, Key(name), Cancel)).Item;
        item["pk"] = new AttributeValue("MIGRATION#another");
        await scenario.Migration.Client.PutItemAsync(control, item, Cancel);
        scenario.Migration.Definition = scenario.Migration.Definition with { Name = "another" };
        var refused = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync());
        Assert.Equal(("KmsKeyUnusable", MigrationErrorKind.WrongState), (refused.ErrorId, refused.Kind));
        Assert.Contains(scenario.Migration.Definition.Target.Encryption!.KmsKeyId, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_KMS_key_that_is_not_there_is_named_and_no_data_key_is_kept()
    {
        await using var scenario = await Scenario.CreateAsync(servers, false, 100);
        await scenario.Migration.EncryptAsync(await servers.KmsAsync());
        var target = scenario.Migration.Definition.Target;
        scenario.Migration.Definition = scenario.Migration.Definition with { Target = target with { Encryption = target.Encryption! with { KmsKeyId = "alias/no-such-key" } } };
        var error = await Assert.ThrowsAsync<MigrationException>(() => scenario.Migration.InitializeAsync());
        Assert.Equal("KmsKeyUnusable", error.ErrorId);
        Assert.Contains("alias/no-such-key", error.Message, StringComparison.Ordinal);
        Assert.Empty((await scenario.Migration.Client.GetItemAsync(target.ControlTableName, Key(scenario.Migration.Definition.Name), Cancel)).Item ?? []);
    }

    [Fact]
    public async Task Without_its_data_key_nothing_begins_and_a_plan_is_made()
    {
        await using var scenario = await CreateAsync(false);
        var key = Key(scenario.Migration.Definition.Name);
        var control = scenario.Migration.Definition.Target.ControlTableName;
        Assert.Equal("DataKey", (await scenario.Migration.Client.GetItemAsync(control, key, Cancel)).Item["kind"].S);
        await scenario.Migration.Client.DeleteItemAsync(control, key, Cancel);
        var error = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync());
        Assert.Equal("DataKeyMissing", error.ErrorId);
        Assert.Contains("Initialize-BillingTable", error.Message, StringComparison.Ordinal);
        Assert.Empty(await scenario.RangesAsync());
        Assert.True((await scenario.PlanAsync()).Entities.Sum(e => e.Bytes) > 0);
    }

    [Fact]
    public async Task A_KMS_that_does_not_answer_is_named()
    {
        await using var scenario = await CreateAsync(false);
        var target = scenario.Migration.Definition.Target;
        var nobody = new Uri("http://127.0.0.1:1");
        scenario.Migration.Definition = scenario.Migration.Definition with { Target = target with { Encryption = target.Encryption! with { KmsEndpointUrl = nobody } } };
        var error = await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync());
        Assert.Equal(("KmsUnreachable", MigrationErrorKind.Unreachable), (error.ErrorId, error.Kind));
        Assert.Contains("127.0.0.1:1", error.Message, StringComparison.Ordinal);
    }

    /// <summary>What was written in the clear before must not pass for a finished copy.</summary>
    [Fact]
    public async Task A_column_that_is_encrypted_later_needs_a_new_snapshot()
    {
        await using var scenario = await Scenario.CreateAsync(servers, false, Rows);
        await scenario.ExportAsync();
        await scenario.Migration.EncryptAsync(await servers.KmsAsync());
        await scenario.Migration.InitializeAsync();
        Assert.Equal("SnapshotModelChanged", (await Assert.ThrowsAsync<MigrationException>(() => scenario.ExportAsync())).ErrorId);
        Assert.Equal("SnapshotModelChanged", (await Assert.ThrowsAsync<MigrationException>(() => scenario.SyncAsync())).ErrorId);
        Assert.Equal(SnapshotOutcome.Complete, (await scenario.ExportAsync(new SnapshotOptions { Restart = true })).Outcome);
        Assert.True((await scenario.CheckAsync()).Passed);
    }

    private static Dictionary<string, AttributeValue> Key(string migration) => new() { ["pk"] = new($"MIGRATION#{migration}"), ["sk"] = new("DATA_KEY") };

    private async Task<Scenario> CreateAsync(bool mariaDb)
    {
        var kms = await servers.KmsAsync();
        return await Scenario.CreateAsync(servers, await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync(), Rows, migration => migration.EncryptAsync(kms));
    }

    private static async Task<List<string>> AllItemsAsync(Scenario scenario, string table)
    {
        var items = new List<string>();
        await foreach (var page in scenario.Migration.Client.Paginators.Scan(new ScanRequest { TableName = table }).Responses)
        {
            items.AddRange(page.Items.SelectMany(i => i.Values).Select(v => v.S ?? v.N ?? (v.B is { } b ? Encoding.Latin1.GetString(b.ToArray()) + Convert.ToBase64String(b.ToArray()) : "")));
        }

        return items;
    }

    private static async Task<List<string>> ValuesAsync(Scenario scenario, string sql)
    {
        await using var connection = await scenario.Database.OpenAsync();
        await using var command = new MySqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        var values = new List<string>();
        while (await reader.ReadAsync(Cancel))
        {
            values.Add(Convert.ToString(reader.GetValue(0), System.Globalization.CultureInfo.InvariantCulture)!);
        }

        return values;
    }

    private static async Task<List<string>> DecodedAsync(Scenario scenario, string entity, params string[] columns)
    {
        await using var session = await scenario.Migration.ConnectAsync();
        await using var connection = await session.Source.OpenConnectionAsync(Cancel);
        var model = (await SnapshotScope.BindAsync(session, new SnapshotOptions(), connection, Cancel)).Model[entity];
        var decoder = new ItemDecoder(model);
        using var items = new ItemReader(session.Target, scenario.Migration.Table, new TransferMetrics(), session.Retry, session.Time);
        var rows = new List<RowBuffer>();
        await foreach (var item in items.ScanAsync(4, Cancel))
        {
            if (Encoding.UTF8.GetString(item.Span).Contains($"\"entity\":{{\"S\":\"{entity}\"}}", StringComparison.Ordinal))
            {
                var row = new RowBuffer(model.Row.Length);
                decoder.Decode(item.Span, row);
                rows.Add(row);
            }
        }

        var indexes = columns.Select(c => EntityModel.Find(model.Row, null, c)).ToArray();
        return [.. rows.OrderBy(r => long.Parse(Encoding.UTF8.GetString(r[indexes[0]]), System.Globalization.CultureInfo.InvariantCulture))
            .Select(r => string.Join('|', indexes.Where(i => !r.IsNull(i)).Select(i => Encoding.UTF8.GetString(r[i]))))];
    }
}
