using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Reads subscribers with their service agreements.</summary>
[Cmdlet(VerbsCommon.Get, "BillingSubscriber", SupportsPaging = true)]
[OutputType("BillingMigration.Subscriber")]
public sealed class GetBillingSubscriberCommand : AccountRecordCmdlet
{
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("subscriber_id")]
    [ValidateNotNull]
    public string[] Id { get; set; } = [];

    [Parameter]
    [ValidateNotNull]
    public string[] PhoneNumber { get; set; } = [];

    [Parameter]
    public SwitchParameter Summary { get; set; }

    private protected override string Entity => BillingEntity.Subscriber;

    private protected override IEnumerable<(string Column, string[] Values)> Keys => [("subscriber_id", Id), ("phone_number", PhoneNumber)];

    private protected override PSObject Object(MigrationSession session, IBillingStore store, BillingRecord record)
    {
        var subscriber = base.Object(session, store, record);
        if (!Summary)
        {
            RecordObject.Add(subscriber, "ServiceAgreements", All(session, store, new RecordQuery(BillingEntity.Agreement).Where("subscriber_id", record["subscriber_id"])));
        }

        return subscriber;
    }
}
