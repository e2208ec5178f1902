using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Bills an account's unbilled charges in parts: each part gives charges the bill's number and adds their sums to the intent, in one transaction. The bill with its sums is written last. All that could
/// refuse it is asked before it begins, and the partitions of account and parents are its own until it ends.
/// </summary>
internal sealed class LargeBillRun(TableSide side, Intent intent, BillRun run, UnitBuilder builder, TransactionSender sender, IntentLog log)
{
    private const int MostAtOnce = 80;

    /// <summary>The transaction that notes the bill run, with all that can refuse it.</summary>
    /// <param name="bill">The intent's row, as a change.</param>
    /// <param name="call">The row of the call that has a key, inserted with the intent: from then on nothing refuses the bill; null: none.</param>
    /// <param name="found">What earlier attempts have found out.</param>
    /// <param name="epoch">Of the route, under which the bill's key was generated.</param>
    /// <param name="cancellationToken">Nothing is written.</param>
    /// <returns>Null: there is nothing to bill.</returns>
    /// <exception cref="StoreException">The run is refused.</exception>
    public async Task<UnitParts?> BeginAsync(RowChange bill, RowChange? call, UnitFindings found, long epoch, CancellationToken cancellationToken)
    {
        var sums = new BillSums(0, 0);
        var isEmpty = true;
        await foreach (var row in run.UnbilledAsync(intent.Row, ofVersion: true, cancellationToken))
        {
            (sums, isEmpty) = (sums + run.SumsOf(row), false);
        }

        if (isEmpty)
        {
            return null;
        }

        _ = run.WithSums(intent.Row, sums);
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Epoch = epoch, Announcer = intent.Id };
        await builder.AnnounceAsync(parts, bill, found, cancellationToken);
        if (call is not null)
        {
            await builder.AddRowsAsync(parts, [call], cancellationToken);
        }

        log.Begin(parts, intent, parts.TakeTouched());
        return parts;
    }

    /// <summary>Bills what is unbilled now, and ends the unit. May begin anew any number of times.</summary>
    /// <returns>The bill; null: others had billed all charges by themselves.</returns>
    public async Task<BillingRecord?> RunAsync(CancellationToken cancellationToken)
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

        return await EndAsync(cancellationToken);
    }

    private async Task<bool> BillAsync(List<RowBuffer> charges, CancellationToken cancellationToken)
    {
        var isDone = true;
        for (var next = 0; next < charges.Count;)
        {
            var billed = (await SumsAsync(cancellationToken)).Sums;
            var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
            var (sums, count) = (new BillSums(0, 0), 0);
            for (; next < charges.Count && !parts.IsFull; next++)
            {
                // An amount that has grown since the run was decided, beyond what the bill can hold: it stays for the next bill.
                if (Fits(billed + sums + run.SumsOf(charges[next])))
                {
                    RowChange[] change = [run.Billed(charges[next], intent.Row)];
                    await builder.AddRowsAsync(parts, change, cancellationToken);
                    builder.Refer(parts, change, intent.Entity, intent.Row);
                    (sums, count) = (sums + run.SumsOf(charges[next]), count + 1);
                }
            }

            if (count > 0)
            {
                log.GoOn(parts, intent, count, sums);
                isDone &= await IntentWork.SendAsync(sender, parts);
            }
        }

        return isDone;
    }

    private ItemKey Key => RowFinder.KeyOf(intent.Entity, intent.Row, null)!.Value;

    private bool Fits(BillSums sums)
    {
        try
        {
            return run.WithSums(intent.Row, sums) is not null;
        }
        catch (StoreException e) when (e.Error == StoreError.ValueInvalid)
        {
            return false;
        }
    }

    private async Task<BillingRecord?> EndAsync(CancellationToken cancellationToken)
    {
        var (charges, sums) = await SumsAsync(cancellationToken);
        if (charges == 0)
        {
            var left = new UnitParts(side.Model.Definition, side.Keys);
            foreach (var value in UniqueValue.Of(intent.Entity, intent.Row))
            {
                left.GiveBack(value);
            }

            log.GoOn(left, intent);
            await IntentWork.SendAsync(sender, left);
            await log.EndAsync(intent, sender, cancellationToken);
            return null;
        }

        var row = run.WithSums(intent.Row, sums);
        while (await side.Rows.GetAsync(intent.Entity, Key, cancellationToken) is null)
        {
            var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
            RowChange[] changes = [new(intent.Entity, null, row) { IsFound = true }];
            await builder.AddRowsAsync(parts, changes, cancellationToken);
            await builder.ReferAsync(parts, changes[0], cancellationToken);
            log.GoOn(parts, intent);
            await IntentWork.SendAsync(sender, parts);
        }

        await log.EndAsync(intent, sender, cancellationToken);
        return new BillingRecord(intent.Entity, row);
    }

    private async Task<(int Rows, BillSums Sums)> SumsAsync(CancellationToken cancellationToken) =>
        IntentLog.SumsOf(await log.FindAsync(intent, cancellationToken) ?? throw IntentLog.TakenOverError(intent));
}
