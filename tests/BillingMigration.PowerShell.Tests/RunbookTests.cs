using System.Text.Json;
using System.Text.RegularExpressions;
using BillingMigration.Testing;

namespace BillingMigration.PowerShell.Tests;

/// <summary>The runbooks of the examples, one after the other, each in a process of its own beside a stand-in for the commands of their host.</summary>
public sealed class RunbookTests(TestServers servers) : IDisposable
{
    /// <summary>Of Azure Automation, and of the modules that ship with pwsh.</summary>
    private const string Stands = """
        function Get-AutomationPSCredential { param($Name) if ($Name -eq 'BillingSource') { [pscredential]::new('root', [securestring]::new()) } else { throw "There is no asset $Name." } }
        function Get-SSMParameter { param($Name, $WithDecryption) if ($Name -eq '/billing/source' -and $WithDecryption) { [pscustomobject]@{ Value = '' } } else { throw "There is no parameter $Name." } }
        function Get-Secret { param($Name) [pscredential]::new('root', [securestring]::new()) }
        function Write-Verbose { }
        function Write-Output { param([Parameter(ValueFromPipeline)] $InputObject) process { $InputObject } }
        """;

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("runbooks");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task They_lead_from_the_export_to_the_switch_and_back()
    {
        // Of its own: a switch makes it read-only.
        await using var server = await MySqlServer.StartAsync("--max-connections=100");
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql"), TestContext.Current.CancellationToken));
        await database.ExecuteAsync(SampleFile.AccountSql(1, charges: 20));
        await PrepareAsync(database);

        Task<string> RunAsync(string name, string arguments = "", string end = "$_.Outcome") => RunbookAsync(
            $"try {{ ./{name}.runbook.ps1 -DefinitionPath $args[0] {arguments} | ForEach-Object {{ if ($_ -is [string]) {{ $_ }} else {{ {end} }} }}; 'ended' }} catch {{ \"failed: $($_.FullyQualifiedErrorId)\" }}");

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
    }

    [Fact]
    public async Task A_task_and_Systems_Manager_see_by_the_exit_code_what_became_of_it()
    {
        await using var database = await FilledAsync();
        Task<string> RunAsync(string job, string arguments) =>
            RunbookAsync($"./Invoke-BillingJob.ps1 -Job {job} -DefinitionPath $args[0] -SourceUser root {arguments}; \"exit code $LASTEXITCODE\"");

        Assert.Matches("(?s)Export: Complete.*exit code 0", await RunAsync("Export", "-PasswordParameter /billing/source"));
        Assert.Matches("(?s)Sync: .*exit code 0", await RunAsync("Sync", "-PasswordSecret BillingSource"));
        Assert.Matches("(?s)Compare: Passed.*exit code 0", await RunAsync("Compare", ""));
        Assert.Matches("(?s)Export failed: .*no parameter /else.*exit code 1", await RunAsync("Export", "-PasswordParameter /else"));
        await database.ExecuteAsync("SET SESSION sql_log_bin = 0; UPDATE charge SET amount = 7.77 WHERE charge_id = 3");
        Assert.Matches("(?s)Compare failed: SidesDiffer.*exit code 1", await RunAsync("Compare", ""));
    }

    [Fact]
    public void The_document_of_Systems_Manager_calls_it_with_the_parameters_that_it_has()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Repository.PathOf("examples", "runbooks", "ssm-document.json")));
        var known = document.RootElement.GetProperty("parameters").EnumerateObject().Select(p => p.Name).ToArray();
        var script = File.ReadAllText(Repository.PathOf("examples", "runbooks", "Invoke-BillingJob.ps1"));
        foreach (var step in document.RootElement.GetProperty("mainSteps").EnumerateArray())
        {
            var command = step.GetProperty("inputs").GetProperty("runCommand")[0].GetString()!;
            Assert.Equal(known.Order(StringComparer.Ordinal), Regex.Matches(command, @"\{\{ (\w+) \}\}").Select(m => m.Groups[1].Value).Order(StringComparer.Ordinal));
            Assert.All(Regex.Matches(command, @" -(\w+) \{\{").Select(m => m.Groups[1].Value).Where(p => p != "File"), p => Assert.Contains($"] ${p}", script, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "")]
    [InlineData(true, "arc.key")]
    public async Task A_hybrid_worker_assumes_an_AWS_role_as_its_managed_identity(bool isArc, string key)
    {
        await using var database = await FilledAsync();
        using var server = new CredentialServer();
        if (key.Length > 0)
        {
            server.ArcSecret = Path.Combine(folder.FullName, key);
            await File.WriteAllTextAsync(server.ArcSecret, "c2VjcmV0", TestContext.Current.CancellationToken);
        }

        var exported = await RunbookAsync(
            "./Export-BillingSnapshot.runbook.ps1 -DefinitionPath $args[0] -AwsRoleArn arn:aws:iam::123456789012:role/billing -AwsAudience api://billing; \"mode $([System.IO.File]::GetUnixFileMode($env:AWS_WEB_IDENTITY_TOKEN_FILE))\"; [System.IO.File]::Delete($env:AWS_WEB_IDENTITY_TOKEN_FILE)",
            new()
            {
                [isArc ? "IDENTITY_ENDPOINT" : "AZURE_POD_IDENTITY_AUTHORITY_HOST"] = isArc ? $"{server.Endpoint}metadata/identity/oauth2/token" : server.Endpoint.ToString(),
                ["AWS_ENDPOINT_URL_STS"] = server.Endpoint.ToString(), ["AWS_ACCESS_KEY_ID"] = null, ["AWS_SECRET_ACCESS_KEY"] = null, ["HOME"] = folder.FullName, ["AWS_EC2_METADATA_DISABLED"] = "true",
            });

        Assert.Contains("Complete: ", exported, StringComparison.Ordinal);
        Assert.Contains("mode UserWrite, UserRead", exported, StringComparison.Ordinal);
        Assert.Contains("AssumeRoleWithWebIdentity arn:aws:iam::123456789012:role/billing  identity of api://billing", server.Asked);
    }

    [Fact]
    public async Task What_listens_in_the_agents_place_gets_no_other_file()
    {
        using var server = new CredentialServer { ArcSecret = Path.Combine(folder.FullName, "id_rsa") };
        await File.WriteAllTextAsync(server.ArcSecret, "private", TestContext.Current.CancellationToken);
        var said = await RunbookAsync(
            "try { ./Use-ManagedIdentity.ps1 -RoleArn arn:aws:iam::123456789012:role/billing -Audience api://billing } catch { \"$_\" }",
            new() { ["IDENTITY_ENDPOINT"] = $"{server.Endpoint}metadata/identity/oauth2/token" });
        Assert.Contains("id_rsa, which is no key of its own", said, StringComparison.Ordinal);
    }

    private async Task<TestDatabase> FilledAsync()
    {
        var database = await (await servers.MySqlAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql"), TestContext.Current.CancellationToken));
        await database.ExecuteAsync(SampleFile.AccountSql(1, charges: 20));
        await PrepareAsync(database);
        return database;
    }

    private async Task PrepareAsync(TestDatabase database)
    {
        await SampleFile.WriteAsync(folder, database, (await servers.DynamoDbAsync()).Endpoint);
        Directory.CreateSymbolicLink(Path.Combine(folder.CreateSubdirectory("modules").FullName, "BillingMigration"), Repository.PathOf());
    }

    private Task<string> RunbookAsync(string script, Dictionary<string, string?>? environment = null)
    {
        var variables = new Dictionary<string, string?>
        {
            ["PSModulePath"] = Path.Combine(folder.FullName, "modules"), ["AWS_ACCESS_KEY_ID"] = "local", ["AWS_SECRET_ACCESS_KEY"] = "local", ["AWS_REGION"] = "eu-central-1",
        };
        foreach (var (name, value) in environment ?? [])
        {
            variables[name] = value;
        }

        return HostProcess.RunAsync(folder, $"{Stands}\n{script}", Path.Combine(folder.FullName, "migration.json"), variables, imports: false);
    }
}
