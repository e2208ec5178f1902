using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Reads customers with their accounts.</summary>
[Cmdlet(VerbsCommon.Get, "BillingCustomer", SupportsPaging = true)]
[OutputType("BillingMigration.Customer")]
public sealed class GetBillingCustomerCommand : RecordCmdlet
{
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("customer_id")]
    [ValidateNotNull]
    public string[] Id { get; set; } = [];

    [Parameter]
    [ValidateNotNull]
    public string[] Number { get; set; } = [];

    [Parameter]
    public SwitchParameter Summary { get; set; }

    private protected override string Entity => BillingEntity.Customer;

    private protected override IEnumerable<(string Column, string[] Values)> Keys => [("customer_id", Id), ("customer_number", Number)];

    private protected override RecordQuery Narrow(RecordQuery query) => query;

    private protected override PSObject Object(MigrationSession session, IBillingStore store, BillingRecord record)
    {
        var customer = base.Object(session, store, record);
        if (!Summary)
        {
            RecordObject.Add(customer, "Accounts", All(session, store, new RecordQuery(BillingEntity.Account).Where("customer_id", record["customer_id"])));
        }

        return customer;
    }
}
