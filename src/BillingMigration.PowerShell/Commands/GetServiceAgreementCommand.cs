using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Reads service agreements.</summary>
[Cmdlet(VerbsCommon.Get, "ServiceAgreement", SupportsPaging = true)]
[OutputType("BillingMigration.ServiceAgreement")]
public sealed class GetServiceAgreementCommand : AccountRecordCmdlet
{
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("agreement_id")]
    [ValidateNotNull]
    public string[] Id { get; set; } = [];

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("subscriber_id")]
    public string? SubscriberId { get; set; }

    [Parameter]
    public DateTime? EndsSince { get; set; }

    [Parameter]
    public DateTime? EndsBefore { get; set; }

    private protected override string Entity => BillingEntity.Agreement;

    private protected override IEnumerable<(string Column, string[] Values)> Keys => [("agreement_id", Id)];

    private protected override RecordQuery Narrow(RecordQuery query)
    {
        // Those that have ended already are not what ends soon.
        var since = EndsSince ?? (EndsBefore is null ? null : DateTime.UtcNow.Date);
        return base.Narrow(query).WhereGiven("subscriber_id", SubscriberId).WithinGiven("end_date", since, EndsBefore);
    }
}
