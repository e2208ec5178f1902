using BillingMigration.Testing;

namespace BillingMigration.PowerShell.Tests;

/// <summary>The runbooks of the examples, one after the other, each in a process of its own beside a stand-in for the commands of their host.</summary>
public sealed class RunbookTests(TestServers servers)
{
    /// <summary>Of Azure Automation, and of the modules that ship with pwsh.</summary>
    private const string Stands = """
        function Get-AutomationPSCredential { param($Name) if ($Name -eq 'BillingSource') { [pscredential]::new('root', [securestring]::new()) } else { throw "There is no asset $Name." } }
        function Write-Verbose { }
        function Write-Output { param([Parameter(ValueFromPipeline)] $InputObject) process { $InputObject } }
        """;

    [Fact]
    public async Task They_lead_from_the_export_to_the_switch_and_back()
    {
        // Of its own: a switch makes it read-only.
        await using var server = await MySqlServer.StartAsync("--max-connections=100");
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql"), TestContext.Current.CancellationToken));
        await database.ExecuteAsync(SampleFile.AccountSql(1, charges: 20));
        var folder = Directory.CreateTempSubdirectory("runbooks");
        await SampleFile.WriteAsync(folder, database, (await servers.DynamoDbAsync()).Endpoint);
        Directory.CreateSymbolicLink(Path.Combine(folder.CreateSubdirectory("modules").FullName, "BillingMigration"), Repository.PathOf());

        async Task<string> RunAsync(string name, string arguments = "", string end = "$_.Outcome")
        {
            var script = $"{Stands}\ntry {{ & '{Repository.PathOf("examples", "runbooks", name + ".runbook.ps1")}' -DefinitionPath $args[0] {arguments} | ForEach-Object {{ if ($_ -is [string]) {{ $_ }} else {{ {end} }} }}; 'ended' }} catch {{ \"failed: $($_.FullyQualifiedErrorId)\" }}";
            return await HostProcess.RunAsync(
                folder, script, Path.Combine(folder.FullName, "migration.json"),
                new Dictionary<string, string?>
                {
                    ["PSModulePath"] = Path.Combine(folder.FullName, "modules"), ["AWS_ACCESS_KEY_ID"] = "local", ["AWS_SECRET_ACCESS_KEY"] = "local", ["AWS_REGION"] = "eu-central-1",
                },
                imports: false);
        }

        var exported = await RunAsync("Export-BillingSnapshot");
        Assert.Contains("There is no credential BillingAws", exported, StringComparison.Ordinal);
        Assert.Contains("Complete: ", exported, StringComparison.Ordinal);
        await database.ExecuteAsync("UPDATE billing_account SET balance = 5 WHERE account_id = 1");
        Assert.Contains("ended", await RunAsync("Sync-BillingChanges", "-FollowFor 0", "$_.State"), StringComparison.Ordinal);
        Assert.Contains("Passed", await RunAsync("Test-MigrationIntegrity"), StringComparison.Ordinal);
        Assert.Contains("Switched", await RunAsync("Switch-BillingBackend", "-To DynamoDB -WriteBackFor 00:00:01"), StringComparison.Ordinal);
        Assert.Contains("ended", await RunAsync("Sync-BillingChanges", "-FollowFor 0", "$_.IsCaughtUp"), StringComparison.Ordinal);
        Assert.Contains("Switched", await RunAsync("Switch-BillingBackend", "-To MySql"), StringComparison.Ordinal);

        // What differs, and what cannot be reached, ends a job as failed, with the error that it is.
        await database.ExecuteAsync("SET SESSION sql_log_bin = 0; UPDATE charge SET amount = 7.77 WHERE charge_id = 3");
        Assert.Contains("failed: SidesDiffer,", await RunAsync("Test-MigrationIntegrity"), StringComparison.Ordinal);
        await database.ExecuteAsync("RENAME TABLE charge TO charges");
        foreach (var name in new[] { "Export-BillingSnapshot", "Sync-BillingChanges", "Test-MigrationIntegrity" })
        {
            Assert.Contains("failed: SourceTableNotFound,", await RunAsync(name), StringComparison.Ordinal);
        }

        folder.Delete(recursive: true);
    }
}
