using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Reads billing accounts with all that belongs to them.</summary>
[Cmdlet(VerbsCommon.Get, "BillingAccount", SupportsPaging = true)]
[OutputType("BillingMigration.BillingAccount")]
public sealed class GetBillingAccountCommand : RecordCmdlet
{
    private static readonly (string List, string Entity)[] Belongings =
        [("Subscribers", BillingEntity.Subscriber), ("ServiceAgreements", BillingEntity.Agreement), ("Bills", BillingEntity.Bill), ("Charges", BillingEntity.Charge)];

    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("account_id")]
    [ValidateNotNull]
    public string[] Id { get; set; } = [];

    [Parameter]
    [ValidateNotNull]
    public string[] Number { get; set; } = [];

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("customer_id")]
    public string? CustomerId { get; set; }

    [Parameter]
    public SwitchParameter Summary { get; set; }

    private protected override string Entity => BillingEntity.Account;

    private protected override IEnumerable<(string Column, string[] Values)> Keys => [("account_id", Id), ("account_number", Number)];

    private protected override RecordQuery Narrow(RecordQuery query) => query.WhereGiven("customer_id", CustomerId);

    private protected override PSObject Object(MigrationSession session, IBillingStore store, BillingRecord record)
    {
        var account = base.Object(session, store, record);
        if (Summary)
        {
            return account;
        }

        if (Ask(token => store.GetAsync(BillingEntity.Customer, "customer_id", record["customer_id"]!, token)) is { } customer)
        {
            RecordObject.Add(account, "Customer", RecordObject.Of(customer, session, IncludeSensitive));
        }

        foreach (var (list, entity) in Belongings)
        {
            RecordObject.Add(account, list, All(session, store, new RecordQuery(entity).Where("account_id", record["account_id"])));
        }

        return account;
    }
}
