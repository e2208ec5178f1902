using System.Management.Automation;
using BillingMigration.Snapshot;

namespace BillingMigration.PowerShell.Tests;

/// <summary>How sessions reach the jobs. An entity that does not exist is an error that names the session's own, and needs no server.</summary>
public sealed class PipelineTests : IDisposable
{
    private readonly ModuleShell shell = new();

    public void Dispose() => shell.Dispose();

    [Theory]
    [InlineData("$session | Export-BillingSnapshot -Entity NOPE")]
    [InlineData("Export-BillingSnapshot -Entity NOPE -Migration $session")]
    [InlineData("$result | Export-BillingSnapshot -Entity NOPE")]
    [InlineData("$other | Export-BillingSnapshot -Entity NOPE")]
    public void A_job_takes_the_session_from(string script)
    {
        var session = Samples.Session();
        shell.Set("session", ResultObject.Of(session));
        shell.Set("result", ResultObject.Of(Samples.Snapshot(), session));
        var other = new PSObject();
        other.Properties.Add(new PSNoteProperty("Migration", session));
        shell.Set("other", other);

        var error = shell.Fail(script);
        Assert.StartsWith("UnknownEntity,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.InvalidArgument, error.CategoryInfo.Category);
        Assert.Equal("NOPE", error.TargetObject);
        Assert.Contains("CUSTOMER, BILLING_ACCOUNT", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_one_it_takes_the_default_of_its_own_runspace()
    {
        InRunspace(() => Sessions.Add(Samples.Session(), []));
        Assert.StartsWith("UnknownEntity,", shell.Fail("Export-BillingSnapshot -Entity NOPE").FullyQualifiedErrorId, StringComparison.Ordinal);

        using var another = new ModuleShell();
        Assert.StartsWith("NoSession,", another.Fail("Export-BillingSnapshot").FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void A_result_keeps_its_own_properties_beside_the_session()
    {
        var session = Samples.Session();
        shell.Set("result", ResultObject.Of(Samples.Snapshot(), session));
        Assert.Same(session, shell.Run("$result.Migration")[0].BaseObject);
        Assert.Equal(SnapshotOutcome.Complete, shell.Run("$result.Outcome")[0].BaseObject);
        Assert.Equal("sample-billing", ((SnapshotResult)shell.Run("$result")[0].BaseObject).Migration);
        Assert.Equal("BillingMigration.SnapshotResult", shell.Run("$result")[0].TypeNames[0]);
    }

    [Theory]
    [InlineData("Export-BillingSnapshot -ShardIndex 4 -ShardCount 4", "ShardIndexTooLarge")]
    [InlineData("Export-BillingSnapshot -MaxDuration 00:00:00", "MaxDurationTooShort")]
    public void A_wrong_value_is_refused_before_the_job_starts(string script, string id)
    {
        InRunspace(() => Sessions.Add(Samples.Session(), []));
        var error = shell.Fail(script);
        Assert.StartsWith(id + ",", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.InvalidArgument, error.CategoryInfo.Category);
    }

    [Fact]
    public void A_disconnected_session_is_refused_by_name()
    {
        var session = Samples.Session();
        Sessions.Close(session);
        shell.Set("session", session);
        var error = shell.Fail("$session | Get-BillingMigration");
        Assert.StartsWith("SessionClosed,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.InvalidOperation, error.CategoryInfo.Category);
        Assert.Contains("sample-billing", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void One_object_that_fails_does_not_keep_the_others_back()
    {
        var closed = Samples.Session();
        Sessions.Close(closed);
        shell.Set("closed", closed);
        shell.Set("open", Samples.Session());

        shell.Run("$closed, $open, $closed | Export-BillingSnapshot -Entity NOPE");
        Assert.Equal(["SessionClosed", "UnknownEntity", "SessionClosed"], shell.Errors.Select(e => e.FullyQualifiedErrorId.Split(',')[0]));

        // As every cmdlet's, they stop the pipeline for who says so; without a pipeline there are no others.
        Assert.Throws<ActionPreferenceStopException>(() => shell.Run("$closed, $open | Export-BillingSnapshot -Entity NOPE -ErrorAction Stop"));
        Assert.Equal("caught", shell.One("try { Export-BillingSnapshot -Migration $closed } catch { 'caught' }").ToString());
    }

    [Fact]
    public void Entities_complete_from_the_default_session()
    {
        InRunspace(() => Sessions.Add(Samples.Session(), []));
        Assert.Equal(["CHARGE"], Complete("Export-BillingSnapshot -Entity ch"));
        Assert.Equal(["BILLING_ACCOUNT", "BILL"], Complete("Export-BillingSnapshot -Entity CHARGE, bil"));
    }

    [Fact]
    public void Entities_complete_from_the_definition_that_the_pipeline_connects()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "sample.migration.json");
        Assert.Equal(["SUBSCRIBER"], Complete($"Connect-BillingMigration -Path '{path}' | Export-BillingSnapshot -Entity su"));
    }

    [Fact]
    public void Without_a_definition_completion_offers_nothing() => Assert.Empty(Complete("Export-BillingSnapshot -Entity c"));

    private string[] Complete(string text) => InRunspace(() =>
    {
        using var engine = System.Management.Automation.PowerShell.Create(RunspaceMode.CurrentRunspace);
        var found = CommandCompletion.CompleteInput(text, text.Length, null, engine);
        return found.CompletionMatches.Where(m => m.ResultType == CompletionResultType.ParameterValue).Select(m => m.CompletionText).ToArray();
    });

    private void InRunspace(Action action) => InRunspace(() =>
    {
        action();
        return true;
    });

    private T InRunspace<T>(Func<T> action)
    {
        var before = System.Management.Automation.Runspaces.Runspace.DefaultRunspace;
        System.Management.Automation.Runspaces.Runspace.DefaultRunspace = shell.Runspace;
        try
        {
            return action();
        }
        finally
        {
            System.Management.Automation.Runspaces.Runspace.DefaultRunspace = before;
        }
    }
}
