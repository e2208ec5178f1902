using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Adds up charges.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "BillingCharge")]
[OutputType("BillingMigration.Total")]
public sealed class MeasureBillingChargeCommand : TotalCmdlet
{
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Sum { get; set; } = ["amount", "tax_amount"];

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("bill_id")]
    public string? BillId { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("subscriber_id")]
    public string? SubscriberId { get; set; }

    [Parameter]
    public SwitchParameter Unbilled { get; set; }

    private protected override TotalQuery Query
    {
        get
        {
            var query = new TotalQuery(BillingEntity.Charge, [.. Sum]);
            query = BillId is null ? query : query.Where("bill_id", BillId);
            query = SubscriberId is null ? query : query.Where("subscriber_id", SubscriberId);
            return Unbilled ? query.Where("bill_id", null) : query;
        }
    }

    private protected override string DateColumn => "charged_at";
}
