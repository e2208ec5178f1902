using System.IO.Hashing;
using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Integrity;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Bills an account's unbilled charges in parts. First it takes the account's partition, and those of charges elsewhere, so that nobody writes there
/// any more, and asks everything that could refuse it, of the very charges that it then bills; until then it can be undone. Each part gives charges
/// the bill's number and adds their sums to the intent, in one transaction. The bill with its sums is written last.
/// </summary>
internal sealed class LargeBillRun(TableSide side, Intent intent, BillRun run, UnitBuilder builder, TransactionSender sender, IntentLog log) : ILargeWork
{
    private const int MostAtOnce = 80;
    private const int MostFailures = 8;

    /// <summary>The bill's key is one that nobody has.</summary>
    public bool HasGeneratedKey { get; init; }

    /// <summary>The row of the call that has a key, inserted with what decides the run; null: none.</summary>
    public RowChange? Call { get; init; }

    private readonly Holding holding = new(side, intent, log, sender);

    /// <returns>False: there is nothing to bill.</returns>
    /// <exception cref="StoreException">The run is refused.</exception>
    /// <exception cref="PartitionHeldException">Another large unit is at work there.</exception>
    public Task<bool> PlanAsync(string partition, CancellationToken cancellationToken)
    {
        holding.Has(partition);
        return holding.WholeAsync(() => LookAsync(cancellationToken));
    }

    private async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        var (sums, isEmpty) = (new BillSums(0, 0), true);
        var values = new HashSet<UInt128>();
        await foreach (var row in run.UnbilledAsync(intent.Row, ofVersion: false, cancellationToken))
        {
            await holding.WantAsync(RowFinder.KeyOf(run.Charge, row, null)!.Value.Pk);
            (sums, isEmpty) = (sums + run.SumsOf(row), false);
            foreach (var value in run.NewValuesOf(row, intent.Row))
            {
                // Nobody else has one with the bill's number in it.
                if (!values.Add(XxHash128.HashToUInt128(Encoding.UTF8.GetBytes($"{value.Constraint}\n{value.Text}"))))
                {
                    throw StoreErrors.Duplicate(value.Constraint);
                }
            }
        }

        _ = run.WithSums(intent.Row, sums);
        return !isEmpty;
    }

    /// <summary>Claims what is unique of the bill, and takes the partitions of its parents.</summary>
    public async Task<UnitParts> DecideAsync(UnitFindings found, long? epoch, CancellationToken cancellationToken)
    {
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Epoch = epoch, Announcer = intent.Id };
        await builder.AnnounceAsync(parts, intent.Row, intent.Entity, HasGeneratedKey, found, cancellationToken);
        log.GoOn(parts, intent, held: parts.TakeTouched(), now: IntentLog.Decided, call: Call is null ? null : side.Items.Json(Call.Model, Call.After!));
        if (Call is not null)
        {
            await builder.AddRowsAsync(parts, [Call], cancellationToken);
        }

        return parts;
    }

    /// <summary>Bills what is unbilled, and ends the unit. May begin anew any number of times.</summary>
    /// <returns>The bill; null: its charges are gone, with rows of other partitions that they belong to.</returns>
    public async Task<BillingRecord?> RunAsync(CancellationToken cancellationToken)
    {
        var noted = await NotedAsync(cancellationToken);
        if (IntentLog.IsSo(noted, IntentLog.Undone))
        {
            await log.EndAsync(intent, sender, cancellationToken);
            return null;
        }

        if (!IntentLog.IsSo(noted, IntentLog.Done))
        {
            await IntentWork.UntilDoneAsync(
                () => run.UnbilledAsync(intent.Row, ofVersion: false, cancellationToken), MostAtOnce,
                some => IntentWork.InPartsAsync(sender, some, part => PartAsync(part, cancellationToken)));
            for (var failures = 1; !IntentLog.IsSo(await NotedAsync(cancellationToken), IntentLog.Done) && !await MakeAsync(cancellationToken); failures++)
            {
                if (failures == MostFailures)
                {
                    throw StoreErrors.Duplicate(UniqueValue.PrimaryKey);
                }

                await side.Calls.PauseAsync(failures, cancellationToken);
            }
        }

        var made = Made(intent, run, await NotedAsync(cancellationToken));
        await log.EndAsync(intent, sender, cancellationToken);
        return made;
    }

    /// <summary>
    /// The charges are unbilled again, and the call may be made again, under its key as well: of a run that was refused after it was decided, and of
    /// one that was set aside, because others have worked on the account since.
    /// </summary>
    public async Task<BillingRecord?> UndoAsync(CancellationToken cancellationToken)
    {
        var noted = await NotedAsync(cancellationToken);
        if (!IntentLog.IsSo(noted, IntentLog.Done) && !IntentLog.IsSo(noted, IntentLog.Undone))
        {
            await IntentWork.UntilDoneAsync(() => run.BilledAsync(intent.Row, cancellationToken), MostAtOnce / 2,
                some => IntentWork.InPartsAsync(sender, some, part => UnbillAsync(part, cancellationToken)));
            await LeaveAsync(noted, cancellationToken);
        }

        await log.EndAsync(intent, sender, cancellationToken);
        return null;
    }

    /// <summary>Gives back what was claimed for the bill, unless others have it by now, and forgets the call.</summary>
    private async Task LeaveAsync(Dictionary<string, AttributeValue> noted, CancellationToken cancellationToken)
    {
        UnitParts parts;
        do
        {
            parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
            await builder.AddGivingBackAsync(parts, intent, cancellationToken);
            // Its row may have been deleted since, and be another call's.
            if (IntentLog.CallOf(noted) is { } call && await side.Rows.ItemAsync(ItemCodec.Key(call), cancellationToken) is { } now && call.All(a => now.TryGetValue(a.Key, out var value) && ItemCodec.IsSame(value, a.Value)))
            {
                parts.Delete(ItemCodec.KeyOf(call), ItemCondition.Has(call.Where(a => a.Key is not (EntityModel.PartitionKey or EntityModel.SortKey)).Select(a => KeyValuePair.Create(a.Key, new[] { a.Value })), []), new Refusal.LookAgain());
            }

            log.GoOn(parts, intent, now: IntentLog.Undone);
        }
        while (!await IntentWork.SendAsync(sender, parts));
    }

    /// <summary>The bill that a run has made.</summary>
    /// <param name="noted">What stands in the intent, when it is done.</param>
    public static BillingRecord? Made(Intent intent, BillRun run, Dictionary<string, AttributeValue> noted) =>
        IntentLog.SumsOf(noted) is { Rows: > 0, Sums: var sums } ? new BillingRecord(intent.Entity, run.WithSums(intent.Row, sums)) : null;

    private async Task<UnitParts> PartAsync(List<RowBuffer> charges, CancellationToken cancellationToken)
    {
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
        var rows = new UnitRows(side, parts) { Announced = (intent.Entity, intent.Row) };
        var sums = new BillSums(0, 0);
        foreach (var charge in charges)
        {
            await rows.UpdateAsync(rows.Know(run.Charge, charge, isFound: true), run.Billed(charge, intent.Row), cancellationToken);
            sums += run.SumsOf(charge);
        }

        await builder.AddAsync(parts, rows, new UnitFindings(), cancellationToken);
        log.GoOn(parts, intent, charges.Count, sums);
        return parts;
    }

    private async Task<UnitParts> UnbillAsync(List<(RowBuffer Charge, RowChange Change)> billed, CancellationToken cancellationToken)
    {
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
        await builder.AddLeavingAsync(parts, [.. billed.Select(b => b.Change)], cancellationToken);
        var sums = billed.Aggregate(new BillSums(0, 0), (sum, b) => sum + run.SumsOf(b.Charge));
        log.GoOn(parts, intent, -billed.Count, new BillSums(-sums.Subtotal, -sums.Tax));
        return parts;
    }

    /// <summary>Writes the bill with what its charges add up to; without charges, gives back what was claimed for it.</summary>
    /// <returns>False: what it was made from has changed.</returns>
    private async Task<bool> MakeAsync(CancellationToken cancellationToken)
    {
        var (charges, sums) = IntentLog.SumsOf(await NotedAsync(cancellationToken));
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
        if (charges > 0)
        {
            // With what a process of a later schema has given it.
            var unknown = ItemCodec.UnknownOf(intent.Entity, ItemImage.Parse(Encoding.UTF8.GetBytes(intent.Item)));
            var bill = new RowChange(intent.Entity, null, run.WithSums(intent.Row, sums)) { IsFound = true, Unknown = unknown };
            await builder.AddRowsAsync(parts, [bill], cancellationToken);
            await builder.ReferAsync(parts, bill, cancellationToken);
        }

        foreach (var value in charges > 0 ? [] : UniqueValue.Of(intent.Entity, intent.Row))
        {
            parts.GiveBack(value, intent.Id);
        }

        log.GoOn(parts, intent, now: IntentLog.Done);
        return await IntentWork.SendAsync(sender, parts);
    }

    private async Task<Dictionary<string, AttributeValue>> NotedAsync(CancellationToken cancellationToken) =>
        await side.FindIntentAsync(intent.Id, cancellationToken) ?? throw IntentLog.TakenOverError(intent);
}
