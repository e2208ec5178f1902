using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell;

/// <summary>A cmdlet that adds up rows of one entity.</summary>
public abstract class TotalCmdlet : StoreCmdlet
{
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("account_id")]
    public string? AccountId { get; set; }

    [Parameter]
    public string? CustomerId { get; set; }

    [Parameter]
    public DateTime? Since { get; set; }

    [Parameter]
    public DateTime? Before { get; set; }

    [Parameter]
    [ValidateNotNull]
    public string[] GroupBy { get; set; } = [];

    [Parameter]
    public SwitchParameter ByMonth { get; set; }

    private protected abstract TotalQuery Query { get; }

    /// <summary>The date that <see cref="Since"/>, <see cref="Before"/> and <see cref="ByMonth"/> are about.</summary>
    private protected abstract string DateColumn { get; }

    private protected override void Process(MigrationSession session, IBillingStore store)
    {
        var query = Query with { GroupBy = [.. GroupBy], ByMonthOf = ByMonth ? DateColumn : null };
        query = query with { Conditions = query.Conditions.AddRange(Conditions()) };
        if (Since is not null || Before is not null)
        {
            query = query.WhereWithin(DateColumn, RecordQueries.Plain(Since), RecordQueries.Plain(Before));
        }

        foreach (var row in OfAccounts(store, query))
        {
            WriteObject(RecordObject.Of(query, row));
        }
    }

    /// <summary>Totals of the accounts asked for.</summary>
    private protected IReadOnlyList<TotalRow> OfAccounts(IBillingStore store, TotalQuery query)
    {
        if (CustomerId is null)
        {
            query = AccountId is null ? query : query.Where("account_id", AccountId);
            return Ask(token => store.TotalAsync(query, token));
        }

        var accounts = new RecordQuery(BillingEntity.Account).Where("customer_id", CustomerId).WhereGiven("account_id", AccountId);
        return Ask(async token =>
        {
            var rows = new List<TotalRow>();
            await foreach (var account in store.QueryAsync(accounts, token))
            {
                rows.AddRange(await store.TotalAsync(query.Where("account_id", account["account_id"]), token));
            }

            // Of no account at all, nothing.
            return rows.Count == 0 && query.GroupBy.IsEmpty && query.ByMonthOf is null ? [new TotalRow([], 0, [.. query.Sums.Select(_ => (string?)null)])] : TotalRow.Merge(rows);
        });
    }
}
