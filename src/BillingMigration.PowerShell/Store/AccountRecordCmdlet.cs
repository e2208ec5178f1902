using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell;

/// <summary>A cmdlet that reads rows of an entity whose rows belong to accounts.</summary>
public abstract class AccountRecordCmdlet : RecordCmdlet
{
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("account_id")]
    public string? AccountId { get; set; }

    private protected override RecordQuery Narrow(RecordQuery query) => query.WhereGiven("account_id", AccountId);
}
