using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// What a bill run bills: the charges of an account that have no bill, read from the table and not from an index, which may not show the last of
/// them yet. An item that gets another key while they are read may be seen at neither place, so the version of their partition must be the same
/// before and when the bill is written.
/// </summary>
internal sealed class BillRun
{
    /// <summary>With its bill, claims and checks a transaction takes no more.</summary>
    private const int MostAtOnce = 90;

    private readonly TableSide side;
    private readonly int accountColumn;
    private readonly int billColumn;
    private readonly ChangePlanner planner;
    private (string Partition, PartitionVersion Version)? read;

    /// <exception cref="StoreException"><see cref="StoreError.NotSupported"/>: charges do not refer to accounts, or bills do not.</exception>
    public BillRun(TableSide side, PlannedChange bill, BillingColumns columns)
    {
        (this.side, Bill, Columns, planner) = (side, bill, columns, new ChangePlanner(side.Model, side.Time));
        Charge = BoundQuery.EntityOf(side.Model, BillingEntity.Charge);
        (accountColumn, billColumn) = (StoreColumns.Find(Charge, columns.AccountId), StoreColumns.Find(Charge, columns.BillId));
        OfAccount = Reference.Of(side.Model, Charge).FirstOrDefault(r => r.Parent.Entity == BillingEntity.Account && r.ChildColumns is [var only] && only == accountColumn)
            ?? throw new StoreException(StoreError.NotSupported, Charge.Entity, $"A bill run needs a foreign key from {Charge.Entity}.{columns.AccountId} to {BillingEntity.Account}.");
    }

    private Reference OfBill =>
        Reference.Of(side.Model, Charge).FirstOrDefault(r => r.Parent == Bill.Model && r.ChildColumns is [var only] && only == billColumn)
        ?? throw new StoreException(
            StoreError.NotSupported, Charge.Entity, $"A bill run is undone by a foreign key from {Charge.Entity}.{Columns.BillId} to {BillingEntity.Bill}.");

    public PlannedChange Bill { get; }

    /// <summary>Id of what holds the account's partition for the run; null: nothing does.</summary>
    public string? Own { get; set; }

    public BillingColumns Columns { get; }

    public EntityModel Charge { get; }

    private Reference OfAccount { get; }

    /// <summary>The bill with its sums, and its charges.</summary>
    /// <returns>Null: there is nothing to bill.</returns>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: a sum does not fit; <see cref="StoreError.TooManyRows"/>; <see cref="StoreError.ParentMissing"/>.</exception>
    /// <param name="own">What the run has taken for itself; null: nothing.</param>
    /// <param name="cancellationToken">Nothing is written.</param>
    public async Task<ImmutableArray<PlannedChange>?> PlanAsync(UnitLock? own, CancellationToken cancellationToken)
    {
        Own = own?.Intent.Id;
        var changes = ImmutableArray.CreateBuilder<PlannedChange>();
        var sums = new BillSums(0, 0);
        changes.Add(Bill);
        await foreach (var row in UnbilledAsync(Bill.After!, ofVersion: true, cancellationToken))
        {
            sums += SumsOf(row);
            var after = planner.Updated(Charge, row.Copy());
            changes.Add(new PlannedChange(Charge, row, after, -1, [(billColumn, new ValueOf(0, Columns.BillId))]) { IsFound = true });
            if (changes.Count > MostAtOnce)
            {
                throw StoreErrors.TooMany(Bill.Model.Entity, changes.Count, MostAtOnce);
            }
        }

        if (changes.Count == 1)
        {
            return null;
        }

        changes[0] = Bill with { After = WithSums(Bill.After!, sums) };
        return changes.ToImmutable();
    }

    /// <summary>Nobody has written to the partition since the charges were read for the plan.</summary>
    public void Require(UnitParts parts)
    {
        if (read is var (partition, version))
        {
            parts.RequireVersion(partition, version.Number);
        }
    }

    /// <summary>Charges without a bill, as the table has them now.</summary>
    /// <param name="ofVersion">The version of their partition is read before; that there are none is said when it is the same afterwards.</param>
    public async IAsyncEnumerable<RowBuffer> UnbilledAsync(RowBuffer bill, bool ofVersion, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        read = null;
        if (await AccountAsync(bill, cancellationToken) is not { } there)
        {
            yield break;
        }

        var key = RowFinder.KeyOf(OfAccount.Parent, there, null)!.Value;
        var isEmpty = true;
        do
        {
            read = (key.Pk, await ReadVersionAsync(key.Pk, cancellationToken));
            // A query may not show all of the last ones yet.
            var recent = new Dictionary<ItemKey, RowBuffer>();
            foreach (var (model, row) in await side.Rows.RecentAsync(read.Value.Version, cancellationToken))
            {
                if (model == Charge && OfAccount.Refers(row, there))
                {
                    recent.TryAdd(RowFinder.KeyOf(Charge, row, null)!.Value, row);
                }
            }

            foreach (var row in recent.Values.Where(r => r.IsNull(billColumn)))
            {
                isEmpty = false;
                yield return row;
            }

            await foreach (var row in side.Rows.ChildrenAsync(OfAccount, there, key, cancellationToken))
            {
                if (row.IsNull(billColumn) && !recent.ContainsKey(RowFinder.KeyOf(Charge, row, null)!.Value))
                {
                    isEmpty = false;
                    yield return row;
                }
            }
        }
        while (isEmpty && ofVersion && (await ReadVersionAsync(key.Pk, cancellationToken)).Number != read.Value.Version.Number);
        read = ofVersion ? read : null;
    }

    /// <summary>The account's; null: it is not there.</summary>
    public async Task<string?> PartitionAsync(CancellationToken cancellationToken) =>
        await AccountAsync(Bill.After!, cancellationToken) is { } account ? RowFinder.KeyOf(OfAccount.Parent, account, null)!.Value.Pk : null;

    /// <summary>Charges that have the bill's number, wherever they are, and without it.</summary>
    public async IAsyncEnumerable<(RowBuffer Charge, RowChange Change)> BilledAsync(
        RowBuffer bill, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var row in side.Rows.ChildrenAsync(OfBill, bill, RowFinder.KeyOf(Bill.Model, bill, null)!.Value, cancellationToken))
        {
            yield return (row, new RowChange(Charge, row, await side.Rows.WithLookupsAsync(Charge, OfBill.Released(row), [], cancellationToken)) { IsFound = true });
        }
    }

    /// <summary>Unique values that a charge has with the bill's number, and has not without.</summary>
    public IEnumerable<UniqueValue> NewValuesOf(RowBuffer charge, RowBuffer bill) =>
        Charge.Table.UniqueKeys.Any(k => k.Columns.Contains(Columns.BillId, StringComparer.OrdinalIgnoreCase))
            ? UniqueValue.Of(Charge, Billed(charge, bill)).Except(UniqueValue.Of(Charge, charge)) : [];

    private Task<RowBuffer?> AccountAsync(RowBuffer bill, CancellationToken cancellationToken)
    {
        var account = RowBuffer.AllNull(OfAccount.Parent.Row.Length);
        account.Take(OfAccount.ParentColumns[0], bill, StoreColumns.Find(Bill.Model, Columns.AccountId));
        return side.Rows.FindAsync(OfAccount.Parent, account, OfAccount.ParentColumns, cancellationToken);
    }

    private async Task<PartitionVersion> ReadVersionAsync(string partition, CancellationToken cancellationToken) =>
        (await side.Versions.ReadAsync([partition], Own, cancellationToken))[partition];

    public BillSums SumsOf(RowBuffer row)
    {
        var record = new BillingRecord(Charge, row);
        return new BillSums(BillingOperations.Amount(record, Columns.ChargeAmount), BillingOperations.Amount(record, Columns.ChargeTax));
    }

    /// <summary>The bill's row with its sums.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: they do not fit.</exception>
    public RowBuffer WithSums(RowBuffer bill, BillSums sums)
    {
        var row = bill.Copy();
        ChangePlanner.SetValue(Bill.Model, row, StoreColumns.Find(Bill.Model, Columns.Subtotal), sums.Subtotal);
        ChangePlanner.SetValue(Bill.Model, row, StoreColumns.Find(Bill.Model, Columns.Tax), sums.Tax);
        ChangePlanner.SetSum(Bill.Model, row, StoreColumns.Find(Bill.Model, Columns.Total), BillingOperations.TotalOf(Columns));
        return row;
    }

    /// <summary>The charge with the bill's number.</summary>
    public RowBuffer Billed(RowBuffer charge, RowBuffer bill)
    {
        var after = planner.Updated(Charge, charge.Copy());
        after.Take(billColumn, bill, StoreColumns.Find(Bill.Model, Columns.BillId));
        return after;
    }
}

/// <summary>What charges add up to, exactly.</summary>
internal readonly record struct BillSums(decimal Subtotal, decimal Tax)
{
    public static BillSums operator +(BillSums one, BillSums other) => new(one.Subtotal + other.Subtotal, one.Tax + other.Tax);
}
