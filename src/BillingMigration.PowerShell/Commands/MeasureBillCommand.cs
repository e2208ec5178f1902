using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Adds up bills.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "Bill")]
[OutputType("BillingMigration.Total")]
public sealed class MeasureBillCommand : TotalCmdlet
{
    /// <summary>Days beyond the due date.</summary>
    private static readonly (string Name, int From, int To)[] Ages = [("not due", int.MinValue, 0), ("1-30", 1, 30), ("31-60", 31, 60), ("61-90", 61, 90), ("over 90", 91, int.MaxValue)];

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Sum { get; set; } = ["total", "amount_paid"];

    [Parameter]
    [ValidateNotNull]
    public string[] Status { get; set; } = [];

    [Parameter]
    public SwitchParameter Ageing { get; set; }

    private protected override TotalQuery Query
    {
        get
        {
            var query = new TotalQuery(BillingEntity.Bill, [.. Sum]);
            return Status.Length == 0 ? query : query.WhereAnyOf("status", Status);
        }
    }

    private protected override string DateColumn => "bill_date";

    private protected override void Process(MigrationSession session, IBillingStore store)
    {
        if (!Ageing)
        {
            base.Process(session, store);
            return;
        }

        if (MyInvocation.BoundParameters.Keys.FirstOrDefault(p => p is nameof(Sum) or nameof(Since) or nameof(Before) or nameof(GroupBy) or nameof(ByMonth)) is { } other)
        {
            throw new MigrationException(
                "AgeingWithOther", MigrationErrorKind.InvalidArgument,
                $"-Ageing has its own columns, groups and dates, and does not go with -{other}. Leave one of them out; -AccountId, -CustomerId, -Status and -Filter go with it.", other);
        }

        var today = DateOnly.FromDateTime(DateTime.UtcNow);
        foreach (var (name, from, to) in Ages)
        {
            var query = new TotalQuery(BillingEntity.Bill, "total", "amount_paid").WhereAnyOf("status", Status.Length == 0 ? GetBillCommand.Unpaid : Status)
                .WhereWithin("due_date", to == int.MaxValue ? null : today.AddDays(-to), from == int.MinValue ? null : today.AddDays(1 - from));
            var row = OfAccounts(store, query with { Conditions = query.Conditions.AddRange(Conditions()) })[0];
            var result = RecordObject.Of(query, row);
            RecordObject.Add(result, "DaysOverdue", name);
            RecordObject.Add(result, "Open", row.Sum(0) - row.Sum(1));
            WriteObject(result);
        }
    }
}
