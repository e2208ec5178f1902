using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Bills an account's unbilled charges in parts. First it takes the account's partition, so that nobody writes there any more, and asks everything
/// that could refuse it, of the very charges that it then bills;
/// until then it can be undone. Each part gives charges the bill's number and adds their sums to the intent, in one transaction. The bill with its
/// sums is written last.
/// </summary>
internal sealed class LargeBillRun(TableSide side, Intent intent, BillRun run, UnitBuilder builder, TransactionSender sender, IntentLog log) : ILargeWork
{
    private const int MostAtOnce = 80;

    /// <summary>The bill's key is one that nobody has.</summary>
    public bool HasGeneratedKey { get; init; }

    /// <summary>The row of the call that has a key, inserted with what decides the run; null: none.</summary>
    public RowChange? Call { get; init; }

    /// <returns>False: there is nothing to bill.</returns>
    /// <exception cref="StoreException">The run is refused.</exception>
    public async Task<bool> PlanAsync(CancellationToken cancellationToken)
    {
        var (sums, isEmpty) = (new BillSums(0, 0), true);
        await foreach (var row in run.UnbilledAsync(intent.Row, ofVersion: false, cancellationToken))
        {
            (sums, isEmpty) = (sums + run.SumsOf(row), false);
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
        if (!IntentLog.IsSo(await NotedAsync(cancellationToken), IntentLog.Done))
        {
            for (var isDone = false; !isDone;)
            {
                isDone = true;
                var some = new List<RowBuffer>();
                await foreach (var row in run.UnbilledAsync(intent.Row, ofVersion: false, cancellationToken))
                {
                    some.Add(row);
                    if (some.Count == MostAtOnce)
                    {
                        isDone &= await BillAsync(some, cancellationToken);
                        some.Clear();
                    }
                }

                isDone &= some.Count == 0 || await BillAsync(some, cancellationToken);
            }

            while (!await MakeAsync(cancellationToken))
            {
            }
        }

        var made = Made(intent, run, await NotedAsync(cancellationToken));
        await log.EndAsync(intent, sender, cancellationToken);
        return made;
    }

    /// <summary>
    /// What was set aside is undone when its cause is mended, because others have worked on the account since: its charges are unbilled again, and
    /// the call may be made again, under its key as well.
    /// </summary>
    public async Task<BillingRecord?> UndoAsync(CancellationToken cancellationToken)
    {
        var noted = await NotedAsync(cancellationToken);
        if (!IntentLog.IsSo(noted, IntentLog.Done))
        {
            for (var isDone = false; !isDone;)
            {
                isDone = true;
                await foreach (var some in run.BilledAsync(intent.Row, MostAtOnce / 2, cancellationToken))
                {
                    var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
                    await builder.AddLeavingAsync(parts, some, cancellationToken);
                    log.GoOn(parts, intent);
                    isDone &= await IntentWork.SendAsync(sender, parts);
                }
            }

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

            log.GoOn(parts, intent, now: IntentLog.Done);
        }
        while (!await IntentWork.SendAsync(sender, parts));
    }

    /// <summary>The bill that a run has made.</summary>
    /// <param name="noted">What stands in the intent, when it is done.</param>
    public static BillingRecord? Made(Intent intent, BillRun run, Dictionary<string, AttributeValue> noted) =>
        IntentLog.SumsOf(noted) is { Rows: > 0, Sums: var sums } ? new BillingRecord(intent.Entity, run.WithSums(intent.Row, sums)) : null;

    private async Task<bool> BillAsync(List<RowBuffer> charges, CancellationToken cancellationToken)
    {
        var isDone = true;
        for (var next = 0; next < charges.Count;)
        {
            var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
            var (sums, count) = (new BillSums(0, 0), 0);
            for (; next < charges.Count && !parts.IsFull; next++, count++)
            {
                RowChange[] change = [run.Billed(charges[next], intent.Row)];
                await builder.AddRowsAsync(parts, change, cancellationToken);
                builder.Refer(parts, change, intent.Entity, intent.Row);
                sums += run.SumsOf(charges[next]);
            }

            log.GoOn(parts, intent, count, sums);
            isDone &= await IntentWork.SendAsync(sender, parts);
        }

        return isDone;
    }

    /// <summary>Writes the bill with what its charges add up to; without charges, gives back what was claimed for it.</summary>
    /// <returns>False: what it was made from has changed.</returns>
    private async Task<bool> MakeAsync(CancellationToken cancellationToken)
    {
        var (charges, sums) = IntentLog.SumsOf(await NotedAsync(cancellationToken));
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
        if (charges > 0)
        {
            var bill = new RowChange(intent.Entity, null, run.WithSums(intent.Row, sums)) { IsFound = true };
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
