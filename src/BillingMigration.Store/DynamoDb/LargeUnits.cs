using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Deletions and bill runs of more rows than a transaction takes. Each is noted as an <see cref="Intent"/> and then done in parts: others may see it half done, nobody leaves it half done.
/// </summary>
/// <param name="side">What it works on.</param>
/// <param name="gate">Passed before what decides; null: it may always be sent.</param>
internal sealed class LargeUnits(TableSide side, IWriteGate? gate)
{
    private readonly UnitBuilder builder = new(side);
    // What decides goes through the gate; what follows belongs to it, and is bound to its owner.
    private readonly TransactionSender beginning = new(side, gate);
    private readonly TransactionSender sender = new(side, null);
    private readonly IntentLog log = new(side.Model, side.Calls, side.Keys);

    /// <summary>Deletes a row with all that its foreign keys say.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>, <see cref="StoreError.Conflict"/>.</exception>
    public async Task DeleteAsync(EntityModel entity, RowBuffer row, CancellationToken cancellationToken)
    {
        var began = side.Time.GetTimestamp();
        for (var failures = 1; ; failures++)
        {
            var item = side.Items.Json(entity, await Unsent.RunAsync(gate, () => side.Rows.WithLookupsAsync(entity, row, [], cancellationToken)));
            var intent = new Intent(Intent.Deletion, side.Calls.NewId(), side.Calls.NewId(), entity, item);
            try
            {
                if (await Unsent.RunAsync(gate, () => TryDecideAsync(intent, row, cancellationToken)))
                {
                    await FinishAsync(intent with { IsDecided = true });
                    return;
                }
            }
            catch (PartitionHeldException e)
            {
                await Unsent.RunAsync(gate, () => HelpAsync(e.Partition, cancellationToken));
            }

            if (side.Time.GetElapsedTime(began) > StoreTimes.Patience)
            {
                throw StoreErrors.Contended(side.Model.Definition.Target.Table, StoreTimes.Patience);
            }

            await side.Calls.PauseAsync(failures, cancellationToken);
        }
    }

    /// <returns>The transaction that notes the bill run, and its intent; null: there is nothing to bill.</returns>
    /// <exception cref="StoreException">The run is refused.</exception>
    public async Task<(UnitParts Parts, Intent Intent)?> BeginBillRunAsync(BillRun run, RowChange bill, RowChange? call, long epoch, UnitFindings found, CancellationToken cancellationToken)
    {
        var item = side.Items.Json(bill.Model, await side.Rows.WithLookupsAsync(bill.Model, bill.After!, [], cancellationToken));
        var intent = new Intent(Intent.BillRun, side.Calls.NewId(), side.Calls.NewId(), bill.Model, item) { IsDecided = true, Columns = run.Columns };
        return await Bills(intent, run).BeginAsync(bill, call, found, epoch, cancellationToken) is { } parts ? (parts, intent) : null;
    }

    /// <summary>Goes on with what is decided, through trouble with the way as well: it may begin anew any number of times.</summary>
    /// <exception cref="MigrationException"><c>WriteOutcomeUnknown</c>: others finish it.</exception>
    public async Task<BillingRecord?> FinishAsync(Intent intent)
    {
        var began = side.Time.GetTimestamp();
        for (var failures = 1; ; failures++)
        {
            try
            {
                return await FinishOnceAsync(intent, CancellationToken.None);
            }
            catch (Exception e) when (Unsent.IsTrouble(e))
            {
                // Others take over what its owner has not gone on with for half a minute.
                if (side.Time.GetElapsedTime(began) > StoreTimes.Patience)
                {
                    throw StoreErrors.OutcomeUnknown(intent.Entity.Entity, e);
                }

                await side.Calls.PauseAsync(failures, CancellationToken.None);
            }
            catch (StoreException e) when (e.Subject == intent.Id)
            {
                return await WaitForEndAsync(intent);
            }
            catch (Exception e) when (e is StoreException or PartitionHeldException)
            {
                // It is decided, and so not refused any more: others finish it, or set it aside with the reason.
                throw StoreErrors.OutcomeUnknown(intent.Entity.Entity, e);
            }
        }
    }

    /// <summary>Finishes what others have left lying. What cannot be finished is set aside with its reason, and is in nobody's way.</summary>
    /// <param name="all">Also what others are still at work with.</param>
    /// <param name="cancellationToken">What is begun is finished by another.</param>
    /// <returns>How many there were.</returns>
    public async Task<int> FinishOthersAsync(bool all, CancellationToken cancellationToken)
    {
        var count = 0;
        foreach (var left in await log.ListAsync(all, cancellationToken))
        {
            count += await TakeOverAsync(left, cancellationToken) ? 1 : 0;
        }

        return count;
    }

    /// <summary>A large unit has a partition to itself: it is finished when its owner is gone; else it is its owner's, and the caller waits.</summary>
    public async Task<bool> HelpAsync(string partition, CancellationToken cancellationToken)
    {
        if (await side.Versions.FindHolderAsync(partition, cancellationToken) is { } id && (await log.ListAsync(all: false, cancellationToken)).FirstOrDefault(i => i.Id == id) is { } left)
        {
            return await TakeOverAsync(left, cancellationToken);
        }

        return false;
    }

    private LargeDeletion Deletes(Intent intent) => new(side, intent, builder, sender, log);

    private LargeBillRun Bills(Intent intent, BillRun? run = null) => new(
        side, intent, run ?? new BillRun(side, new PlannedChange(intent.Entity, null, intent.Row, -1, []), intent.Columns), builder, sender, log);

    /// <returns>False: what it was made from has changed, and nothing is done.</returns>
    private async Task<bool> TryDecideAsync(Intent intent, RowBuffer row, CancellationToken cancellationToken)
    {
        var work = Deletes(intent);
        var epoch = gate?.Epoch;
        if (!await IntentWork.SendAsync(beginning, work.Begin(epoch)))
        {
            return false;
        }

        var token = beginning.NewToken();
        var isOpen = true;
        try
        {
            await work.PlanAsync(cancellationToken);
            var parts = await work.DecideAsync(epoch, cancellationToken);
            var sent = await beginning.SendAsync(parts, token, cancellationToken);
            isOpen = sent.Done is null;
            return !isOpen || (await Refusal.ToldByAsync(sent.Refused.Select(parts.RefusalOf), cancellationToken) is { } told ? throw told : false);
        }
        catch (StoreException e) when (e.Subject == intent.Id)
        {
            // Another has taken it for left lying, and undone it.
            isOpen = false;
            return false;
        }
        catch (Exception e) when (token.Forms.Count > 0)
        {
            // Where even this is not known, whoever finds the intent sees which.
            isOpen = false;
            var isDone = await beginning.SettleAsync(token) is not null;
            isOpen = !isDone;
            if (!isDone)
            {
                throw;
            }

            return e is NotRoutedException && !await beginning.CountsAsync(token) ? throw StoreErrors.OutcomeUnknown(intent.Entity.Entity, e) : true;
        }
        finally
        {
            if (isOpen)
            {
                await UndoAsync(intent);
            }
        }
    }

    /// <summary>Others undo it when this does not come to its end.</summary>
    private async Task UndoAsync(Intent intent)
    {
        try
        {
            await log.EndAsync(intent, sender, CancellationToken.None);
        }
        catch (Exception e) when (e is StoreException || Unsent.IsTrouble(e) || e is MigrationException or Amazon.Runtime.AmazonServiceException or Amazon.Runtime.AmazonClientException)
        {
            // Its lease ends.
        }
    }

    private async Task<bool> TakeOverAsync(Intent left, CancellationToken cancellationToken)
    {
        if (await log.TakeOverAsync(left, cancellationToken) is not { } mine)
        {
            return false;
        }

        try
        {
            await FinishOnceAsync(mine, cancellationToken);
        }
        catch (StoreException e) when (e.Subject == mine.Id)
        {
            // Another has taken it over in turn.
        }
        catch (PartitionHeldException)
        {
            // Its turn comes.
        }
        catch (Exception e) when (e is StoreException or MigrationException { Kind: MigrationErrorKind.DataRefused or MigrationErrorKind.Unexpected } or FormatException or InvalidCastException or KeyNotFoundException or OverflowException)
        {
            await log.SetAsideAsync(mine, e is StoreException refused ? $"{refused.Error}: {refused.Message}" : $"{e.GetType().Name}: {e.Message}", cancellationToken);
        }

        return true;
    }

    private async Task<BillingRecord?> FinishOnceAsync(Intent intent, CancellationToken cancellationToken)
    {
        if (intent.What == Intent.BillRun)
        {
            return await Bills(intent).RunAsync(cancellationToken);
        }

        if (intent.IsDecided)
        {
            await Deletes(intent).RunAsync(cancellationToken);
        }
        else
        {
            await log.EndAsync(intent, sender, cancellationToken);
        }

        return null;
    }

    /// <summary>Another has taken the unit over, and finishes it.</summary>
    /// <returns>The bill that it has made.</returns>
    private async Task<BillingRecord?> WaitForEndAsync(Intent intent)
    {
        for (var failures = 1; await log.FindAsync(intent, CancellationToken.None) is { } item && !item.ContainsKey("reason"); failures++)
        {
            await side.Calls.PauseAsync(failures, CancellationToken.None);
        }

        return intent.What == Intent.BillRun && await side.Rows.FindAsync(intent.Entity, intent.Row, intent.Entity.PrimaryKey, CancellationToken.None) is { } row ? new BillingRecord(intent.Entity, row) : null;
    }
}
