using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Reads bills.</summary>
[Cmdlet(VerbsCommon.Get, "Bill", SupportsPaging = true)]
[OutputType("BillingMigration.Bill")]
public sealed class GetBillCommand : AccountRecordCmdlet
{
    internal static readonly string[] Unpaid = ["ISSUED", "OVERDUE"];

    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("bill_id")]
    [ValidateNotNull]
    public string[] Id { get; set; } = [];

    [Parameter]
    [ValidateNotNull]
    public string[] Number { get; set; } = [];

    [Parameter]
    [ValidateNotNull]
    public string[] Status { get; set; } = [];

    [Parameter]
    public DateTime? Since { get; set; }

    [Parameter]
    public DateTime? Before { get; set; }

    [Parameter]
    public SwitchParameter Overdue { get; set; }

    private protected override string Entity => BillingEntity.Bill;

    private protected override IEnumerable<(string Column, string[] Values)> Keys => [("bill_id", Id), ("bill_number", Number)];

    private protected override RecordQuery Narrow(RecordQuery query)
    {
        query = base.Narrow(query).WithinGiven("bill_date", Since, Before).WhereGiven("status", Status);
        return Overdue ? query.WhereAnyOf("status", Unpaid).WhereWithin("due_date", null, DateOnly.FromDateTime(DateTime.UtcNow)) : query;
    }
}
