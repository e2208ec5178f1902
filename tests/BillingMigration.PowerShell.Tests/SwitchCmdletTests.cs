using System.Management.Automation;
using System.Security;
using BillingMigration.Testing;

namespace BillingMigration.PowerShell.Tests;

/// <summary>The switch as an operator runs it, on a source server of its own, which is fenced.</summary>
public sealed class SwitchCmdletTests(TestServers servers)
{
    [Fact]
    public async Task An_operator_sees_the_gates_switches_over_and_back_and_the_hook_hears_of_it()
    {
        var folder = Directory.CreateTempSubdirectory("switch");
        await using var server = await MySqlServer.StartAsync("--max-connections=400");
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql"), TestContext.Current.CancellationToken));
        var path = await SampleFile.WriteAsync(folder, database, (await servers.DynamoDbAsync()).Endpoint);
        var host = new RecordingHost();
        using var shell = new ModuleShell(host);
        shell.Set("path", path);
        shell.Set("login", new PSCredential("root", new SecureString()));
        shell.Run("Connect-BillingMigration $path -SourceCredential $login -AccessKey local -SecretKey local | Initialize-BillingTable | Export-BillingSnapshot | Sync-BillingChanges");

        Assert.StartsWith("SwitchGateClosed,", shell.Fail("Switch-BillingBackend -To DynamoDB -Confirm:$false").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.StartsWith("DurationOutOfRange,", shell.Fail("Switch-BillingBackend -To DynamoDB -MaxStall 00:00:00 -Confirm:$false").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.StartsWith("FenceAccountsMissing,", shell.Fail("Switch-BillingBackend -To DynamoDB -Fence AccountLock -Confirm:$false").FullyQualifiedErrorId, StringComparison.Ordinal);
        shell.Run("Test-MigrationIntegrity");
        shell.Run("Get-BillingMigration | Out-Default");
        Assert.Contains("Gates of Switch-BillingBackend -To DynamoDB", host.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("closed", host.Text, StringComparison.Ordinal);
        Assert.Empty(shell.Run("Switch-BillingBackend -To DynamoDB -WhatIf"));

        shell.Run("$told = [System.Collections.Generic.List[string]]::new()");
        var over = shell.One("Switch-BillingBackend -To DynamoDB -Reason 'a test' -Confirm:$false -OnState { param($route) $told.Add(\"$($_.State) $($route.Backend)\") }");
        Assert.Equal("Switched", over.Properties["Outcome"].Value.ToString());
        Assert.Equal("Shadow MySql,Draining MySql,DynamoDb DynamoDb", shell.One("$told -join ','").ToString());
        shell.Run("Get-BillingMigration | Out-Default");
        Assert.Contains("applications: DynamoDb, since", host.Text, StringComparison.Ordinal);
        Assert.StartsWith("ApplicationsSwitched,", shell.Fail("Sync-BillingChanges").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.StartsWith("ParameterNotForReverse,", shell.Fail("Sync-BillingChanges -Direction Reverse -ItemsPerSecond 5").FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(true, shell.One("Sync-BillingChanges -Direction Reverse").Properties["IsCaughtUp"].Value);

        shell.Run("Switch-BillingBackend -To MySql -Confirm:$false | Out-Default");
        Assert.Contains("calls waited for", host.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("#ERR", host.Text, StringComparison.Ordinal);
        Assert.Equal("AlreadyThere", shell.One("Switch-BillingBackend -To MySql -Confirm:$false").Properties["Outcome"].Value.ToString());
        Assert.Equal("Shadow", shell.One("(Switch-BillingBackend -To Shadow -Confirm:$false).Route.State").ToString());
        Assert.Equal(true, shell.One("Sync-BillingChanges | Test-MigrationIntegrity -Since").Properties["Passed"].Value);
        folder.Delete(recursive: true);
    }
}
