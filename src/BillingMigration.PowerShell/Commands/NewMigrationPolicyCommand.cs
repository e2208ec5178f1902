using System.Management.Automation;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Writes the IAM policy, and the GRANT statements, of an application that reads through a view.</summary>
[Cmdlet(VerbsCommon.New, "MigrationPolicy")]
[OutputType(typeof(ViewPolicy))]
public sealed class NewMigrationPolicyCommand : SessionCmdlet
{
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ViewCompleter))]
    public string View { get; set; } = "";

    [Parameter]
    [ValidatePattern(@"^(\d{12}|\*)\z")]
    public string AccountId { get; set; } = "*";

    [Parameter]
    [ValidatePattern(@"^'[^'\\]*'@'[^'\\]*'\z")]
    public string? SourceAccount { get; set; }

    private protected override void Process(MigrationSession session)
    {
        var policy = Run(token => ViewPolicy.CreateAsync(session, View, AccountId, SourceAccount ?? $"'{View}'@'%'", token));
        if (policy.ShownBesides.Count > 0)
        {
            WriteWarning($"IAM knows attributes by name only, so this policy also shows {string.Join(", ", policy.ShownBesides)}. Give those columns an \"attribute\" of another name in the definition.");
        }

        WriteObject(ResultObject.Of(policy, session));
    }
}
