using System.Management.Automation;

namespace BillingMigration.PowerShell.Tests;

/// <summary>What goes wrong before any server is asked.</summary>
public sealed class ConnectErrorTests : IDisposable
{
    private readonly ModuleShell shell = new();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("connect");

    public ConnectErrorTests()
    {
        Environment.SetEnvironmentVariable("BILLINGMIGRATION_SOURCE_USER", null);
        shell.Run("param($path) $ExecutionContext.SessionState.Path.SetLocation($path)", folder.FullName);
    }

    public void Dispose()
    {
        shell.Dispose();
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("Connect-BillingMigration", "migration.json")]
    [InlineData("Connect-BillingMigration -Path ./nowhere.json", "nowhere.json")]
    public void A_definition_that_is_not_there_is_named_in_full(string script, string file)
    {
        var error = shell.Fail(script);
        Assert.Equal("DefinitionNotFound,BillingMigration.PowerShell.Commands.ConnectBillingMigrationCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.ObjectNotFound, error.CategoryInfo.Category);
        Assert.Contains(Path.Combine(folder.FullName, file), error.ToString(), StringComparison.Ordinal);
        Assert.NotEmpty(error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void Every_mistake_of_a_definition_is_listed_at_once()
    {
        File.WriteAllText(
            Path.Combine(folder.FullName, "migration.json"),
            """{ "name": "no spaces", "source": { "host": "h", "port": 99999, "database": "b" }, "target": { "table": "t!" }, "entities": [] }""");
        var error = shell.Fail("Connect-BillingMigration");
        Assert.StartsWith("InvalidDefinition,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.InvalidData, error.CategoryInfo.Category);
        foreach (var wrong in new[] { "no spaces", "99999", "t!" })
        {
            Assert.Contains(wrong, error.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Without_an_account_for_the_source_nobody_is_asked_for_one()
    {
        using var asking = new ModuleShell(new RecordingHost());
        var error = asking.Fail("param($path) Connect-BillingMigration $path", Path.Combine(AppContext.BaseDirectory, "sample.migration.json"));
        Assert.StartsWith("SourceCredentialMissing,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.AuthenticationError, error.CategoryInfo.Category);
        Assert.Contains("BILLINGMIGRATION_SOURCE_USER", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_definition_is_not_overwritten_without_Force()
    {
        File.WriteAllText(Path.Combine(folder.FullName, "migration.json"), "{}");
        var error = shell.Fail("New-BillingMigrationDefinition -SourceHost h -Database b");
        Assert.StartsWith("DefinitionExists,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("-Force", error.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void A_credential_of_an_unknown_kind_is_refused_with_its_type()
    {
        shell.Set("account", new PSCredential("root", new System.Security.SecureString()));
        var error = shell.Fail(
            "param($path) Connect-BillingMigration $path -SourceCredential $account -Credential 42",
            Path.Combine(AppContext.BaseDirectory, "sample.migration.json"));
        Assert.StartsWith("CredentialNotUnderstood,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal("System.Int32", error.TargetObject);
    }
}
