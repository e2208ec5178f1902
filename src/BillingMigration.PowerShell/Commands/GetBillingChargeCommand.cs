using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Reads charges.</summary>
[Cmdlet(VerbsCommon.Get, "BillingCharge", SupportsPaging = true)]
[OutputType("BillingMigration.Charge")]
public sealed class GetBillingChargeCommand : AccountRecordCmdlet
{
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("charge_id")]
    [ValidateNotNull]
    public string[] Id { get; set; } = [];

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("bill_id")]
    public string? BillId { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("subscriber_id")]
    public string? SubscriberId { get; set; }

    [Parameter]
    public SwitchParameter Unbilled { get; set; }

    [Parameter]
    [ValidateNotNull]
    public string[] Type { get; set; } = [];

    [Parameter]
    public DateTime? Since { get; set; }

    [Parameter]
    public DateTime? Before { get; set; }

    private protected override string Entity => BillingEntity.Charge;

    private protected override IEnumerable<(string Column, string[] Values)> Keys => [("charge_id", Id)];

    private protected override RecordQuery Narrow(RecordQuery query)
    {
        query = base.Narrow(query).WhereGiven("bill_id", BillId).WhereGiven("subscriber_id", SubscriberId)
            .WhereGiven("charge_type", Type).WithinGiven("charged_at", Since, Before);
        return Unbilled ? query.Where("bill_id", null) : query;
    }
}
