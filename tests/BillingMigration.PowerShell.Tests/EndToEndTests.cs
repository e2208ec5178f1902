using System.Globalization;
using System.Management.Automation;
using System.Security;
using System.Text.Json.Nodes;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Sync;
using BillingMigration.Testing;

[assembly: AssemblyFixture(typeof(TestServers))]

namespace BillingMigration.PowerShell.Tests;

/// <summary>The whole way, through the module, between real servers.</summary>
public sealed class EndToEndTests(TestServers servers) : IAsyncLifetime
{
    private const int Accounts = 4;
    private const int ChargesPerAccount = 60;

    /// <summary>Rows of each entity in the sample that <see cref="InitializeAsync"/> makes.</summary>
    private static readonly Dictionary<string, long> Rows = new()
    {
        ["CUSTOMER"] = Accounts,
        ["BILLING_ACCOUNT"] = Accounts,
        ["SUBSCRIBER"] = 2 * Accounts,
        ["SERVICE_AGREEMENT"] = 2 * Accounts,
        ["BILL"] = Accounts,
        ["CHARGE"] = Accounts * ChargesPerAccount,
    };

    private const string Changes =
        "UPDATE billing_account SET balance = 77.5 WHERE account_id = 2; DELETE FROM subscriber WHERE subscriber_id = 20; UPDATE charge SET charged_at = '2026-05-05 05:05:05' WHERE account_id = 2";

    private const string Pipeline =
        "Connect-BillingMigration $path -SourceCredential $login -AccessKey local -SecretKey local | Initialize-BillingTable | Export-BillingSnapshot";

    private readonly RecordingHost host = new();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("module");
    private ModuleShell shell = null!;
    private TestDatabase database = null!;

    public async ValueTask InitializeAsync()
    {
        database = await (await servers.MySqlAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql")));
        for (var account = 1; account <= Accounts; account++)
        {
            await database.ExecuteAsync(SampleFile.AccountSql(account, ChargesPerAccount));
        }

        shell = new ModuleShell(host);
        shell.Set("path", await SampleFile.WriteAsync(folder, database, (await servers.DynamoDbAsync()).Endpoint));
        shell.Set("login", new PSCredential("root", new SecureString()));
        shell.Set("endpoint", (await servers.DynamoDbAsync()).Endpoint);
    }

    public async ValueTask DisposeAsync()
    {
        shell.Dispose();
        await database.DisposeAsync();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void Connect_Initialize_Export_is_one_pipeline_with_one_result()
    {
        var result = shell.One(Pipeline);
        var snapshot = Assert.IsType<SnapshotResult>(result.BaseObject);
        Assert.Equal(SnapshotOutcome.Complete, snapshot.Outcome);
        Assert.Equal(Rows.Values.Sum(), snapshot.Items);
        Assert.Equal(Rows, snapshot.Entities.ToDictionary(e => e.Entity, e => e.Items));
        Assert.IsType<MigrationSession>(result.Properties["Migration"].Value);

        // What is in the table is counted there, not taken from the checkpoints.
        var state = (MigrationState)shell.One("Get-BillingMigration -CountItems").BaseObject;
        Assert.Equal(Rows, state.Entities.ToDictionary(e => e.Entity, e => e.Counted!.Value));
        Assert.Equal(SnapshotState.Complete, state.Snapshot!.State);
    }

    /// <summary>Where the data may be is the definition's to say, not a default of the session.</summary>
    [Fact]
    public async Task The_Region_is_the_parameters_then_the_definitions_then_the_sessions()
    {
        shell.Set("StoredAWSRegion", "us-east-1");
        const string Connecting = "(Connect-BillingMigration $path -SourceCredential $login -AccessKey local -SecretKey local";
        Assert.Equal("eu-central-1", shell.One($"{Connecting}).Target.Region").BaseObject);
        Assert.Equal("eu-west-1", shell.One($"{Connecting} -Region eu-west-1).Target.Region").BaseObject);
        await SampleFile.WriteAsync(folder, database, (await servers.DynamoDbAsync()).Endpoint, definition => definition["target"]!.AsObject().Remove("region"));
        Assert.Equal("us-east-1", shell.One($"{Connecting}).Target.Region").BaseObject);
    }

    [Fact]
    public async Task What_does_not_fit_the_source_is_told_before_anything_is_made()
    {
        var endpoint = (await servers.DynamoDbAsync()).Endpoint;
        await SampleFile.WriteAsync(folder, database, endpoint, definition =>
        {
            definition.AsObject().Remove("views");
            definition["entities"]![0]!["pk"] = "CUSTOMER#{customer}";
            definition["entities"]![5]!["indexes"]!["gsi1"]!["sk"] = "{charged}#{charge_id:D20}";
            definition["entities"]![4]!["columns"] = JsonNode.Parse("{ \"no_such\": { \"sensitive\": true } }");
        });
        const string Connecting = "Connect-BillingMigration $path -SourceCredential $login -AccessKey local -SecretKey local";
        var error = shell.Fail(Connecting);
        Assert.StartsWith("DefinitionDoesNotFitSource,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.All(
            ["$.entities[0].pk (line ", "$.entities[5].indexes.gsi1.sk", "$.entities[4].columns.no_such (line "],
            place => Assert.Contains(place, error.Exception.Message, StringComparison.Ordinal));

        // Also when the source changes after Connect.
        await SampleFile.WriteAsync(folder, database, endpoint);
        shell.One(Connecting);
        await database.ExecuteAsync("ALTER TABLE customer DROP COLUMN tax_id; RENAME TABLE bill TO bills");
        foreach (var command in new[] { "Initialize-BillingTable -WhatIf", "Initialize-BillingTable" })
        {
            error = shell.Fail(command);
            Assert.StartsWith("DefinitionDoesNotFitSource,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
            Assert.Contains("no table 'bill'", error.Exception.Message, StringComparison.Ordinal);
            Assert.Contains("columns.tax_id (line ", error.Exception.Message, StringComparison.Ordinal);
        }

        await database.ExecuteAsync("RENAME TABLE bills TO bill; ALTER TABLE customer ADD COLUMN tax_id VARCHAR(32)");
        shell.One("Initialize-BillingTable");
    }

    [Fact]
    public void A_second_run_of_the_same_command_writes_nothing_again()
    {
        shell.One(Pipeline);
        var again = (SnapshotResult)shell.One("Export-BillingSnapshot").BaseObject;
        Assert.Equal(SnapshotOutcome.Complete, again.Outcome);
        Assert.Equal(0, again.Items);
        Assert.Equal(Rows, again.Entities.ToDictionary(e => e.Entity, e => e.Items));
    }

    [Fact]
    public void WhatIf_prints_the_plan_and_changes_nothing()
    {
        Connect();
        Assert.Empty(shell.Run("Initialize-BillingTable -WhatIf"));
        Assert.Contains("What if: Initialize tables at", host.Text, StringComparison.Ordinal);

        shell.One("Initialize-BillingTable");
        Assert.Empty(shell.Run("Export-BillingSnapshot -WhatIf"));
        Assert.Contains("What if: Export 'sample-billing': begins a new run", host.Text, StringComparison.Ordinal);
        Assert.All(host.Lines, l => Assert.True(l.TrimEnd().Length <= 80, l));
        var state = (MigrationState)shell.One("Get-BillingMigration -CountItems").BaseObject;
        Assert.Null(state.Snapshot);
        Assert.Equal(0, state.Entities.Sum(e => e.Counted));
    }

    [Fact]
    public async Task A_planted_fault_is_found_repaired_and_gone()
    {
        shell.One(Pipeline);
        Assert.Equal(true, shell.One("Test-MigrationIntegrity").Properties["Passed"].Value);
        // Nobody who follows the binlog can see this.
        await database.ExecuteAsync("SET sql_log_bin = 0; UPDATE charge SET amount = 9.5 WHERE charge_id = 7; SET sql_log_bin = 1");
        var result = Assert.Single(shell.Run("Test-MigrationIntegrity"));
        Assert.StartsWith("SidesDiffer,", Assert.Single(shell.Errors).FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.IsType<MigrationSession>(result.Properties["Migration"].Value);
        shell.Set("result", result);
        shell.Run("$result | Out-Default; $result.Differences | Out-Default");
        Assert.Contains("Comparison of sample-billing", host.Text, StringComparison.Ordinal);
        Assert.Contains(host.Lines, l => l.Contains("amount", StringComparison.Ordinal) && l.Contains("9.5", StringComparison.Ordinal));
        Assert.All(host.Lines, l => Assert.True(l.TrimEnd().Length <= 80, l));

        Assert.Empty(shell.Run("$result | Repair-BillingItem -WhatIf"));
        Assert.Equal(false, shell.One("Test-MigrationIntegrity -NoError").Properties["Passed"].Value);
        var repaired = (RepairedItem)shell.One("Test-MigrationIntegrity -PassThru | Repair-BillingItem -Confirm:$false").BaseObject;
        Assert.Equal((RepairOutcome.Repaired, RepairAction.Put), (repaired.Outcome, repaired.Action));
        Assert.Equal(true, shell.One("Test-MigrationIntegrity -Quick").Properties["Passed"].Value);
        Assert.Equal(true, shell.One("Test-MigrationIntegrity").Properties["Passed"].Value);
        Assert.Equal(true, shell.One("Test-MigrationIntegrity -Since").Properties["Passed"].Value);
        Assert.Equal("AlreadyEqual", shell.One("($result | Repair-BillingItem -Confirm:$false).Outcome").ToString());
    }

    [Fact]
    public async Task Encrypted_columns_go_through_every_cmdlet_and_come_back()
    {
        var kms = await servers.KmsAsync();
        var path = Path.Combine(folder.FullName, "migration.json");
        var json = JsonNode.Parse(await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken))!;
        json["target"]!["encryption"] = new JsonObject { ["kmsKeyId"] = await kms.CreateKeyAsync(), ["kmsEndpointUrl"] = kms.Endpoint.ToString() };
        json["entities"]!.AsArray().First(e => (string)e!["entity"]! == "BILLING_ACCOUNT")!["columns"] = new JsonObject { ["iban"] = new JsonObject { ["encrypt"] = true } };
        await File.WriteAllTextAsync(path, json.ToJsonString(), TestContext.Current.CancellationToken);

        shell.Run(Pipeline);
        await database.ExecuteAsync("UPDATE billing_account SET iban = 'DE7711' WHERE account_id = 2");
        Assert.True((bool)shell.One("Sync-BillingChanges | Test-MigrationIntegrity").Properties["Passed"].Value);
        Assert.Equal("***", shell.One("Get-BillingAccount -Id 2 -Backend DynamoDb -Summary").Properties["iban"].Value);
        Assert.Equal("DE7711", shell.One("Get-BillingAccount -Id 2 -Backend DynamoDb -Summary -IncludeSensitive").Properties["iban"].Value);
        Assert.Equal("DE7711", shell.One("Get-BillingAccount -Id 2 -Backend Both -Summary -IncludeSensitive").Properties["iban"].Value);
    }

    [Fact]
    public void A_policy_of_a_view_names_its_attributes_and_the_grants()
    {
        shell.Run("Connect-BillingMigration $path -SourceCredential $login -AccessKey local -SecretKey local");
        var policy = shell.One("New-MigrationPolicy support -AccountId 123456789012 -WarningVariable told -WarningAction SilentlyContinue");
        var document = JsonNode.Parse((string)policy.Properties["PolicyDocument"].Value)!;
        var attributes = document["Statement"]![0]!["Condition"]!["ForAllValues:StringEquals"]!["dynamodb:Attributes"]!.AsArray().Select(a => (string)a!).ToList();
        Assert.Contains("phone_number", attributes);
        Assert.DoesNotContain("iban", attributes);
        Assert.Contains($"GRANT SELECT (`customer_id`, `customer_number`, `customer_type`) ON `{database.Name}`.`customer` TO 'support'@'%';", (IEnumerable<string>)policy.Properties["Grants"].Value);
        Assert.Contains("BILL.status", shell.One("\"$told\"").ToString(), StringComparison.Ordinal);
        Assert.StartsWith("ViewUnknown,", shell.Fail("New-MigrationPolicy sales").FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stopped_pipeline_ends_and_the_command_goes_on()
    {
        Connect();
        shell.Run("Initialize-BillingTable");
        using (var slow = System.Management.Automation.PowerShell.Create(shell.Runspace))
        {
            // Ten items a second: it runs for half a minute unless it is stopped.
            slow.AddScript("Export-BillingSnapshot -ItemsPerSecond 10");
            using var begun = new ManualResetEventSlim();
            slow.Streams.Progress.DataAdded += (_, _) => begun.Set();
            var running = slow.BeginInvoke();
            Assert.True(begun.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
            slow.Stop();
            Assert.Throws<PipelineStoppedException>(() => slow.EndInvoke(running));
        }

        Assert.Contains("The export was stopped. What was written is kept", host.Text, StringComparison.Ordinal);
        var result = (SnapshotResult)shell.One("Export-BillingSnapshot").BaseObject;
        Assert.Equal(Rows, result.Entities.ToDictionary(e => e.Entity, e => e.Items));
    }

    [Fact]
    public void An_account_comes_back_whole_with_its_secrets_masked()
    {
        shell.One(Pipeline);
        var account = shell.One("Get-BillingAccount -Id 2");
        Assert.Equal(2UL, account.Properties["account_id"].Value);
        Assert.Equal("***", account.Properties["iban"].Value);
        Assert.Equal("C2", ((PSObject)account.Properties["Customer"].Value).Properties["customer_number"].Value);
        Assert.Equal(2, ((Array)account.Properties["Subscribers"].Value).Length);
        Assert.Equal(2, ((Array)account.Properties["ServiceAgreements"].Value).Length);
        Assert.Single((Array)account.Properties["Bills"].Value);
        Assert.Equal(ChargesPerAccount, ((Array)account.Properties["Charges"].Value).Length);
        Assert.Equal("DE02", shell.Run("(Get-BillingAccount -Id 2 -IncludeSensitive).iban")[0].ToString());

        // One that is not there does not keep the others back.
        Assert.Equal(2, shell.Run("Get-BillingAccount -Id 1, 99, 3 -Summary").Count);
        var error = Assert.Single(shell.Errors);
        Assert.StartsWith("BillingAccountNotFound,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.ObjectNotFound, error.CategoryInfo.Category);
    }

    [Theory]
    [InlineData("DynamoDb")]
    [InlineData("MySql")]
    [InlineData("Both")]
    public void The_cmdlets_of_an_application_read_either_side(string backend)
    {
        shell.One(Pipeline);
        long Count(string command) => shell.Run($"$PSDefaultParameterValues['*:Backend'] = '{backend}'; {command}").Count;
        Assert.Equal(1, Count("Get-BillingCustomer -Number C3 | Get-BillingAccount -Summary"));
        Assert.Equal(1, Count("Get-BillingCustomer -Number C3 | Get-BillingAccount -Summary | Get-Bill"));
        Assert.Equal(ChargesPerAccount, Count("Get-BillingAccount -Id 2 -Summary | Get-BillingCharge"));
        Assert.Equal(40, Count("Get-Bill -Number B2 | Get-BillingCharge"));
        Assert.Equal(20, Count("Get-BillingCharge -AccountId 2 -Unbilled"));
        Assert.Equal(30, Count("Get-BillingSubscriber -PhoneNumber +4920 -Summary | Get-BillingCharge"));
        Assert.Equal(2, Count("(Get-BillingSubscriber -AccountId 2).ServiceAgreements"));
        Assert.Equal(2, Count("Get-ServiceAgreement -AccountId 2"));
        Assert.Equal(1, Count("Get-Bill -AccountId 2 -Since 2026-02-01 -Before 2026-02-02 -Status DRAFT"));
        Assert.Equal(0, Count("Get-Bill -Overdue"));
        Assert.Equal(ChargesPerAccount, Count("Get-BillingCharge -Since 2026-01-01 -Before 2026-02-01 -Filter @{ account_id = 2 }"));

        // Paging: First, Skip and the count, from either end.
        var all = shell.Run("(Get-BillingCharge -AccountId 2).charge_id").Select(o => o.ToString()).ToArray();
        Assert.Equal(all[3..7], shell.Run("(Get-BillingCharge -AccountId 2 -Skip 3 -First 4).charge_id").Select(o => o.ToString()));
        Assert.Equal(all.Reverse().Take(2), shell.Run("(Get-BillingCharge -AccountId 2 -Descending -First 2).charge_id").Select(o => o.ToString()));
        Assert.Equal(ChargesPerAccount.ToString(CultureInfo.InvariantCulture), shell.Run("[string](Get-BillingCharge -AccountId 2 -First 1 -IncludeTotalCount)[0]")[0].ToString());

        var total = shell.One("Measure-BillingCharge -AccountId 2 -Unbilled");
        Assert.Equal((20L, 575m, 1m), (total.Properties["Count"].Value, total.Properties["amount"].Value, total.Properties["tax_amount"].Value));
        Assert.Equal("2026-01", shell.One("Measure-BillingCharge -CustomerId 2 -ByMonth").Properties["Month"].Value);
        Assert.Equal(48m, shell.One("Measure-Bill -Since 2026-01-01 -Before 2026-12-31 -Sum total").Properties["total"].Value);
        Assert.Equal(5, Count("Measure-Bill -Ageing"));
        Assert.Equal(0m, shell.Run("Measure-Bill -Ageing")[4].Properties["Open"].Value);
        Assert.Empty(shell.Errors);

        Assert.Equal(0L, shell.One("Measure-BillingCharge -CustomerId 99").Properties["Count"].Value);
        Assert.All(shell.Run("Measure-Bill -CustomerId 99 -Ageing"), row => Assert.Equal(0m, row.Properties["Open"].Value));
        Assert.StartsWith("AgeingWithOther,", shell.Fail("Measure-Bill -Ageing -ByMonth").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.StartsWith("ValueInvalid,", shell.Fail("Get-Bill -Id abc").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.StartsWith("NothingAskedFor,", shell.Fail("Get-Bill").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.StartsWith("NoAccessPath,", shell.Fail("Get-BillingCharge -Type USAGE").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.StartsWith("ColumnUnknown,", shell.Fail("Get-BillingCharge -AccountId 2 -Filter @{ colour = 1 }").FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Both_sides_are_compared_and_the_difference_is_an_error_without_values()
    {
        shell.One(Pipeline);
        Assert.Empty(shell.Run("Get-BillingAccount -Id 2 -Backend Both -ErrorAction SilentlyContinue -ErrorVariable differing | Out-Null; $differing | ForEach-Object { [string]$_ }").Select(o => o.ToString()));
        await database.ExecuteAsync("UPDATE billing_account SET balance = 77.5, iban = 'DE77' WHERE account_id = 2");
        Assert.Equal(77.5m, Assert.Single(shell.Run("Get-BillingAccount -Id 2 -Backend Both -Summary")).Properties["balance"].Value);
        var error = Assert.Single(shell.Errors);
        Assert.StartsWith("BackendsDiffer,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("balance", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("77", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_row_that_cannot_be_an_item_makes_an_error_beside_the_result()
    {
        await database.ExecuteAsync("UPDATE customer SET notes = REPEAT('x', 65000), address = JSON_OBJECT('a', REPEAT('y', 400000)) WHERE customer_id = 3");
        var result = (SnapshotResult)Assert.Single(shell.Run(Pipeline)).BaseObject;
        Assert.Equal(SnapshotOutcome.Failed, result.Outcome);
        var error = Assert.Single(shell.Errors);
        Assert.StartsWith("RowsRefused,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.InvalidData, error.CategoryInfo.Category);
        Assert.Contains("CUSTOMER customer_id=3", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("xxxx", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_password_is_an_authentication_error_without_the_password()
    {
        using var wrong = new SecureString();
        "hunter2".ToList().ForEach(wrong.AppendChar);
        shell.Set("login", new PSCredential("root", wrong));
        var error = shell.Fail("Connect-BillingMigration $path -SourceCredential $login -AccessKey local -SecretKey local");
        Assert.Equal(ErrorCategory.AuthenticationError, error.CategoryInfo.Category);
        Assert.DoesNotContain("hunter2", error.ToString() + error.Exception, StringComparison.Ordinal);
    }

    [Fact]
    public void A_first_definition_comes_from_the_live_schema()
    {
        shell.Set("draft", Path.Combine(folder.FullName, "draft.json"));
        shell.Set("port", database.Server.Port);
        shell.Set("database", database.Name);
        const string Command = "New-BillingMigrationDefinition $draft -SourceHost 127.0.0.1 -Port $port -Database $database -SourceCredential $login -TlsMode None -Region eu-central-1";
        Assert.Empty(shell.Run(Command + " -WhatIf"));
        Assert.False(File.Exists(Path.Combine(folder.FullName, "draft.json")));

        var session = shell.One(Command + " | Connect-BillingMigration -SourceCredential $login -EndpointUrl $endpoint -AccessKey local -SecretKey local");
        Assert.Equal(6, ((MigrationSession)session.BaseObject).Definition.Entities.Length);
    }

    [Fact]
    public async Task Changes_after_the_export_arrive_through_the_pipeline()
    {
        Connect();
        shell.One("Initialize-BillingTable");
        var early = shell.Fail("Sync-BillingChanges");
        Assert.StartsWith("SnapshotIncomplete,", early.FullyQualifiedErrorId, StringComparison.Ordinal);

        shell.One("Export-BillingSnapshot");
        // Not a connection of the pool: MySQL logs no cascades in a session that was reset.
        await using (var application = new MySqlConnector.MySqlConnection(database.ConnectionString + ";Pooling=false"))
        {
            await application.OpenAsync(TestContext.Current.CancellationToken);
            await using var changes = new MySqlConnector.MySqlCommand(Changes, application);
            await changes.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        Assert.Empty(shell.Run("Sync-BillingChanges -WhatIf"));
        Assert.Contains("What if: Write the changes of", host.Text, StringComparison.Ordinal);

        var result = shell.One("Export-BillingSnapshot | Sync-BillingChanges -Until CaughtUp");
        var sync = Assert.IsType<SyncResult>(result.BaseObject);
        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (sync.Outcome, sync.State));
        Assert.IsType<MigrationSession>(result.Properties["Migration"].Value);
        // The subscriber's agreement goes with it, and its charges stay without it.
        Assert.Equal(2, sync.Deleted);

        var account = shell.One("Get-BillingAccount -Id 2");
        Assert.Equal(77.5m, account.Properties["balance"].Value);
        Assert.Single((Array)account.Properties["Subscribers"].Value);
        Assert.Single((Array)account.Properties["ServiceAgreements"].Value);
        var charges = ((Array)account.Properties["Charges"].Value).Cast<PSObject>().ToList();
        Assert.Equal(ChargesPerAccount, charges.Count);
        Assert.All(charges, c => Assert.Equal(new DateTime(2026, 5, 5, 5, 5, 5), c.Properties["charged_at"].Value));
        Assert.DoesNotContain(charges, c => c.Properties["subscriber_id"].Value is 20UL);

        Assert.Equal(0, ((SyncResult)shell.One("Sync-BillingChanges").BaseObject).ItemsPut);
        Assert.StartsWith("UntilWithFollow,", shell.Fail("Sync-BillingChanges -Follow -Until CaughtUp").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.StartsWith("UntilUnreadable,", shell.Fail("Sync-BillingChanges -Until nonsense").FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sync_that_follows_is_stopped_and_goes_on()
    {
        shell.One(Pipeline);
        using (var following = System.Management.Automation.PowerShell.Create(shell.Runspace))
        {
            following.AddScript("Sync-BillingChanges -Follow");
            using var begun = new ManualResetEventSlim();
            following.Streams.Progress.DataAdded += (_, _) => begun.Set();
            var running = following.BeginInvoke();
            Assert.True(begun.Wait(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
            following.Stop();
            Assert.Throws<PipelineStoppedException>(() => following.EndInvoke(running));
        }

        Assert.Equal(SyncState.Consistent, ((SyncResult)shell.One("Sync-BillingChanges").BaseObject).State);
        Assert.Equal(SyncOutcome.Stopped, ((SyncResult)shell.One("Sync-BillingChanges -Follow -MaxDuration 00:00:02").BaseObject).Outcome);
    }

    [Fact]
    public void A_full_disk_leaves_no_half_a_definition()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "only Linux has a disk that is always full, /dev/full");
        var draft = Path.Combine(folder.FullName, "draft.json");
        File.CreateSymbolicLink(draft + ".new", "/dev/full");
        shell.Set("draft", draft);
        shell.Set("port", database.Server.Port);
        shell.Set("database", database.Name);
        var error = shell.Fail(
            "New-BillingMigrationDefinition $draft -SourceHost 127.0.0.1 -Port $port -Database $database -SourceCredential $login -TlsMode None -Region eu-central-1");
        Assert.StartsWith("DiskFull,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.LimitsExceeded, error.CategoryInfo.Category);
        Assert.Equal(["migration.json"], Directory.GetFiles(folder.FullName).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Too_little_memory_is_said_and_the_same_command_goes_on_with_more()
    {
        Connect();
        shell.One("Initialize-BillingTable");
        await database.ExecuteAsync("ALTER TABLE customer MODIFY notes LONGTEXT; UPDATE customer SET notes = REPEAT('x', 60000000) WHERE customer_id = 3");

        var output = await HostProcess.RunAsync(
            folder,
            "try { Connect-BillingMigration $args[0] -AccessKey local -SecretKey local | Export-BillingSnapshot } catch { \"id: $($_.FullyQualifiedErrorId)\"; \"next: $($_.ErrorDetails.RecommendedAction)\" }",
            Path.Combine(folder.FullName, "migration.json"),
            new Dictionary<string, string?> { ["DOTNET_GCHeapHardLimit"] = (128 * 0x100000).ToString("X", CultureInfo.InvariantCulture) });
        Assert.Contains("id: MemoryShort,", output, StringComparison.Ordinal);
        Assert.Contains("run the same command again", output, StringComparison.Ordinal);

        await database.ExecuteAsync("UPDATE customer SET notes = NULL");
        var result = (SnapshotResult)shell.One("Export-BillingSnapshot").BaseObject;
        Assert.Equal(Rows, result.Entities.ToDictionary(e => e.Entity, e => e.Items));
    }

    private void Connect() => shell.One("Connect-BillingMigration $path -SourceCredential $login -AccessKey local -SecretKey local");
}
