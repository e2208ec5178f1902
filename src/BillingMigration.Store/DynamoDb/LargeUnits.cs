using Amazon.DynamoDBv2;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Deletions and bill runs of more rows than a transaction takes. Each is noted as an <see cref="Intent"/> and then done in parts: others may see it half done, nobody leaves it half done.
/// </summary>
internal sealed class LargeUnits(BillingModel model, IAmazonDynamoDB client, RowFinder finder, StoreTimes times, TimeProvider time, IWriteGate? gate)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly RowParts rowParts = new(model, finder);
    // The first transaction decides; what follows belongs to it, and is bound to its owner.
    private readonly TransactionSender beginning = new(model.Definition, client, time, gate);
    private readonly TransactionSender sender = new(model.Definition, client, time);
    private readonly IntentLog log = new(model, client, time);
    private readonly DeletionNotes notes = new(model.Definition, client, time);

    /// <summary>Deletes a row with all that its foreign keys say: the row first, then its children.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>, <see cref="StoreError.Conflict"/>.</exception>
    public async Task DeleteAsync(EntityModel entity, RowBuffer row, CancellationToken cancellationToken)
    {
        var intent = new Intent(Intent.Deletion, NewId(), NewId(), entity, row);
        // Once the transaction that begins it is sent, it is answered, or its outcome is unknown, which has a name of its own.
        await Unsent.RunAsync(gate, async () =>
        {
            await Work(intent).BeginAsync(row, beginning, cancellationToken);
            return true;
        });
        await FinishAsync(intent, cancellationToken);
    }

    /// <param name="epoch">Of the route, under which its key was generated.</param>
    /// <returns>Null: there was nothing to bill.</returns>
    public async Task<BillingRecord?> RunBillAsync(EntityModel bill, RowBuffer row, long epoch, BillingColumns columns, CancellationToken cancellationToken)
    {
        var reference = Reference.Of(model, bill).FirstOrDefault(r => r.Parent.Entity == BillingEntity.Account)
            ?? throw new StoreException(StoreError.NotSupported, bill.Entity, $"A bill run needs a foreign key from {bill.Entity} to {BillingEntity.Account}.");
        var intent = await Unsent.RunAsync(gate, () => BeginBillRunAsync(reference, bill, row, epoch, columns, cancellationToken));
        return await FinishAsync(intent, cancellationToken);
    }

    private async Task<Intent> BeginBillRunAsync(Reference reference, EntityModel bill, RowBuffer row, long epoch, BillingColumns columns, CancellationToken cancellationToken)
    {
        var account = await finder.FindAsync(reference.Parent, reference.ParentRow(row), reference.ParentColumns, cancellationToken) ?? throw StoreErrors.ParentMissing(reference.Name);
        var full = await finder.WithLookupsAsync(bill, row, [], cancellationToken);
        var intent = new Intent(Intent.BillRun, NewId(), NewId(), reference.Parent, account) { Bill = bill, BillItem = ItemCodec.Json(bill, full), Columns = columns };
        var parts = new TransactionParts(model.Definition, time) { Epoch = epoch };
        log.Begin(parts, intent);
        (EntityModel, RowBuffer?, RowBuffer?) change = (bill, null, row);
        await rowParts.AddUniqueAsync(parts, change, ItemCodec.Encode(bill, full), [], cancellationToken);
        await rowParts.AddParentsAsync(parts, change, [], cancellationToken);
        await beginning.SendAsync(parts, cancellationToken);
        return intent;
    }

    /// <summary>Finishes what others have left lying.</summary>
    /// <param name="all">Also what others are still at work with.</param>
    /// <returns>How many there were.</returns>
    public async Task<int> FinishOthersAsync(bool all, CancellationToken cancellationToken)
    {
        var taken = await log.TakeOverAsync(all, cancellationToken);
        foreach (var intent in taken)
        {
            await FinishAsync(intent, cancellationToken);
        }

        return taken.Length;
    }

    private static string NewId() => Guid.NewGuid().ToString("N");

    private LargeDeletion Work(Intent intent) => new(model, intent, finder, rowParts, sender, log, notes, times, time);

    /// <summary>Goes on with what is begun, through trouble with the way as well: it may begin anew any number of times.</summary>
    /// <exception cref="MigrationException"><c>WriteOutcomeUnknown</c>: others finish it.</exception>
    private async Task<BillingRecord?> FinishAsync(Intent intent, CancellationToken cancellationToken)
    {
        for (var began = time.GetTimestamp(); ;)
        {
            try
            {
                return await FinishOnceAsync(intent, cancellationToken);
            }
            catch (Exception e) when (Unsent.IsTrouble(e))
            {
                // Others take over what its owner has not gone on with for half a minute.
                if (time.GetElapsedTime(began) > StoreTimes.Patience)
                {
                    throw StoreErrors.OutcomeUnknown((intent.Bill ?? intent.Entity).Entity, e);
                }

                await Task.Delay(Pause, time, cancellationToken);
            }
        }
    }

    private async Task<BillingRecord?> FinishOnceAsync(Intent intent, CancellationToken cancellationToken)
    {
        try
        {
            if (intent.What == Intent.BillRun)
            {
                return await new LargeBillRun(model, intent, finder, rowParts, sender, log, time).RunAsync(cancellationToken);
            }

            await Work(intent).RunAsync(cancellationToken);
            return null;
        }
        catch (StoreException e) when (IntentLog.IsTakenOver(e, intent))
        {
            while (await log.SumsAsync(intent, cancellationToken) is not null)
            {
                await Task.Delay(Pause, time, cancellationToken);
            }

            return intent is { Bill: { } bill, BillItem: { } item } ? await WrittenAsync(bill, item, cancellationToken) : null;
        }
    }

    /// <summary>The bill that another has finished.</summary>
    private async Task<BillingRecord?> WrittenAsync(EntityModel bill, string item, CancellationToken cancellationToken)
    {
        var like = ItemCodec.Decode(bill, item);
        return await finder.FindAsync(bill, like, bill.PrimaryKey, cancellationToken) is { } row ? new BillingRecord(bill, row) : null;
    }
}
