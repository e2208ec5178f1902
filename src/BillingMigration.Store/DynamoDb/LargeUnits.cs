using Amazon.DynamoDBv2.Model;
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
    private readonly IntentLog log = new(side);

    /// <summary>Deletes a row with all that its foreign keys say.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>, <see cref="StoreError.Conflict"/>.</exception>
    public Task DeleteAsync(EntityModel entity, RowBuffer row, CancellationToken cancellationToken) => RunAsync(
        async () =>
        {
            var intent = await NewAsync(Intent.Deletion, entity, row, new(), cancellationToken);
            return (intent, Deletes(intent), RowFinder.KeyOf(entity, intent.Row, null)!.Value.Pk);
        },
        (entity, false),
        cancellationToken);

    /// <summary>Bills all unbilled charges of an account.</summary>
    /// <param name="resolve">The bill's row with its key, and that of the call that has one; asked anew for each attempt, and told the epoch of the
    /// route.</param>
    /// <returns>Null: there was nothing to bill.</returns>
    /// <exception cref="StoreException">The run is refused.</exception>
    public Task<BillingRecord?> RunBillAsync(BillRun run, Func<long, Task<(RowBuffer Bill, RowChange? Call)>> resolve, CancellationToken cancellationToken) => RunAsync(
        async () =>
        {
            if (await run.PartitionAsync(cancellationToken) is not { } partition)
            {
                return null;
            }

            var (row, call) = await resolve(gate?.Epoch ?? 0);
            var intent = await NewAsync(Intent.BillRun, run.Bill.Model, row, run.Columns, cancellationToken);
            var work = new LargeBillRun(side, intent, RunOf(intent), builder, sender, log) { HasGeneratedKey = run.Bill.GeneratedKey >= 0, Call = call };
            return (intent, work, partition);
        },
        (run.Bill.Model, run.Bill.GeneratedKey >= 0),
        cancellationToken);

    /// <summary>Takes partitions for a unit that others were always quicker than.</summary>
    /// <param name="entity">Of the unit.</param>
    /// <param name="epoch">Of the route.</param>
    /// <returns>Null: nothing is taken.</returns>
    /// <exception cref="PartitionHeldException">A large unit is at work there.</exception>
    public async Task<UnitLock?> TryLockAsync(EntityModel entity, IReadOnlyCollection<string> partitions, long epoch)
    {
        if (partitions.Count is 0 or > IntentLog.MostHeld)
        {
            return null;
        }

        var intent = new Intent(Intent.Lock, side.Calls.NewId(), side.Calls.NewId(), entity, "{}");
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Epoch = epoch };
        log.Begin(parts, intent, partitions);
        return await IntentWork.SendAsync(beginning, parts) ? new UnitLock(intent, partitions) : null;
    }

    /// <summary>Who has taken something, and reads many rows, is not gone.</summary>
    public Task<T> WhileAsync<T>(UnitLock? taken, Func<Task<T>> work) => taken is null ? work() : new Holding(side, taken.Intent, log, sender).WhileAsync(work);

    /// <summary>Others may have it again; where that fails, they take it when it is left lying.</summary>
    public Task UnlockAsync(UnitLock? taken) => taken is null ? Task.CompletedTask : UndoAsync(taken.Intent);

    /// <param name="make">A unit that begins, for each attempt, with the partition that it takes first; null: there is nothing to do.</param>
    /// <param name="change">Of its row.</param>
    private async Task<BillingRecord?> RunAsync(
        Func<Task<(Intent Intent, ILargeWork Work, string Partition)?>> make, (EntityModel Model, bool HasGeneratedKey) change, CancellationToken cancellationToken)
    {
        var found = new UnitFindings();
        var began = side.Time.GetTimestamp();
        for (var failures = 1; ; failures++)
        {
            try
            {
                if (await Unsent.RunAsync(gate, make) is not var (intent, work, partition))
                {
                    return null;
                }

                var isDecided = await Unsent.RunAsync(gate, () => TryDecideAsync(intent, work, partition, found, change, cancellationToken));
                if (isDecided is true)
                {
                    return await FinishAsync(intent with { IsDecided = true });
                }

                if (isDecided is false)
                {
                    return null;
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

    private async Task<Intent> NewAsync(string what, EntityModel entity, RowBuffer row, BillingColumns columns, CancellationToken cancellationToken)
    {
        var whole = await side.Rows.WithLookupsAsync(entity, row, [], cancellationToken);
        return new Intent(what, side.Calls.NewId(), side.Calls.NewId(), entity, side.Items.Json(entity, what == Intent.Deletion ? Named(entity, whole) : whole))
        {
            Columns = columns, Row = whole,
        };
    }

    /// <summary>A row with what names it alone: its keys, and what others refer to. An item of 400 KB and an intent of it would be too much for one.</summary>
    private RowBuffer Named(EntityModel entity, RowBuffer row)
    {
        var named = entity.Keys[0].PartitionKey.Concat(entity.Keys[0].SortKey).SelectMany(t => t.RowIndexes)
            .Concat(entity.PrimaryKey)
            .Concat(entity.Table.UniqueKeys.SelectMany(k => k.Columns).Select(c => EntityModel.Find(entity.Row, null, c)))
            .Concat(Reference.To(side.Model, entity).SelectMany(r => r.ParentColumns))
            .ToHashSet();
        var few = row.Copy();
        foreach (var attribute in entity.Attributes.Where(a => !named.Contains(a.RowIndex)))
        {
            few.SetNull(attribute.RowIndex);
        }

        return few;
    }

    /// <summary>Goes on with what is decided, through trouble with the way as well: it may begin anew any number of times.</summary>
    /// <exception cref="StoreException">It was refused after all, and is undone.</exception>
    /// <exception cref="MigrationException"><c>WriteOutcomeUnknown</c>, whatever the trouble is: others finish it, or set it aside with its reason.</exception>
    public async Task<BillingRecord?> FinishAsync(Intent intent)
    {
        var began = side.Time.GetTimestamp();
        try
        {
            for (var (failures, isTaken) = (1, false); ; failures++)
            {
                try
                {
                    return isTaken ? await WaitForEndAsync(intent) : await BeatAsync(intent, CancellationToken.None);
                }
                catch (StoreException e) when (e.Subject == intent.Id)
                {
                    isTaken = true;
                }
                catch (Exception e) when ((Unsent.IsTrouble(e) || e is PartitionHeldException) && side.Time.GetElapsedTime(began) <= StoreTimes.Patience)
                {
                    // Others take over what its owner has not gone on with for half a minute.
                    await side.Calls.PauseAsync(failures, CancellationToken.None);
                }
            }
        }
        catch (UndoneException e)
        {
            throw e.Refusal;
        }
        catch (Exception e) when (e is not MigrationException { ErrorId: StoreErrors.OutcomeUnknownId })
        {
            throw StoreErrors.OutcomeUnknown(intent.Entity.Entity, e);
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
        if (await side.Versions.FindHolderAsync(partition, cancellationToken) is not { } id)
        {
            return false;
        }

        if (await side.FindIntentAsync(id, cancellationToken) is not { } item || item.ContainsKey("reason"))
        {
            // It was set aside, by one who did not come to free all that it held.
            await log.FreePartitionAsync(partition, id, cancellationToken);
            return true;
        }

        return log.IsLeft(item) && log.Read(item) is { } left && await TakeOverAsync(left, cancellationToken);
    }

    private LargeDeletion Deletes(Intent intent) => new(side, intent, builder, sender, log);

    private LargeBillRun Bills(Intent intent) => new(side, intent, RunOf(intent), builder, sender, log);

    private BillRun RunOf(Intent intent) => new(side, new PlannedChange(intent.Entity, null, intent.Row, -1, []), intent.Columns) { Own = intent.Id };

    /// <returns>True: it is decided. False: there is nothing to do. Null: what it was made from has changed, and nothing is done.</returns>
    private async Task<bool?> TryDecideAsync(
        Intent intent, ILargeWork work, string partition, UnitFindings found, (EntityModel Model, bool HasGeneratedKey) change, CancellationToken cancellationToken)
    {
        var epoch = gate?.Epoch;
        var begin = new UnitParts(side.Model.Definition, side.Keys) { Epoch = epoch };
        log.Begin(begin, intent, [partition]);
        if (!await IntentWork.SendAsync(beginning, begin))
        {
            return null;
        }

        var token = beginning.NewToken();
        var isOpen = true;
        try
        {
            if (!await work.PlanAsync(partition, cancellationToken))
            {
                return false;
            }

            var parts = await work.DecideAsync(found, epoch, cancellationToken);
            var sent = await beginning.SendAsync(parts, token, cancellationToken);
            isOpen = sent.Done is null;
            return isOpen && await found.LearnAsync(side, sent.Refused.Select(parts.RefusalOf), [change], cancellationToken) ? null : true;
        }
        catch (StoreException e) when (e.Subject == intent.Id)
        {
            // Another has taken it for left lying, and undone it.
            isOpen = false;
            return null;
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
        catch (Exception e) when (e is StoreException or MigrationException || Unsent.Passes(e))
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
            await BeatAsync(mine, cancellationToken);
        }
        catch (StoreException e) when (e.Subject == mine.Id)
        {
            // Another has taken it over in turn.
        }
        catch (UndoneException)
        {
            // It has ended.
        }
        catch (Exception e) when (!Unsent.Passes(e) && e is not OperationCanceledException)
        {
            await SetAsideAsync(mine, e is StoreException refused ? $"{refused.Error}: {refused.Message}" : $"{e.GetType().Name}: {e.Message}", cancellationToken);
        }

        return true;
    }

    private async Task SetAsideAsync(Intent intent, string reason, CancellationToken cancellationToken)
    {
        try
        {
            await log.SetAsideAsync(intent, reason, cancellationToken);
        }
        catch (StoreException e) when (e.Subject == intent.Id)
        {
            // Another has taken it over in turn.
        }
    }

    private Task<BillingRecord?> BeatAsync(Intent intent, CancellationToken cancellationToken) =>
        new Holding(side, intent, log, sender).WhileAsync(() => FinishOnceAsync(intent, cancellationToken));

    private async Task<BillingRecord?> FinishOnceAsync(Intent intent, CancellationToken cancellationToken)
    {
        if (intent.IsAside)
        {
            await log.FreeAsync(intent, cancellationToken);
        }

        if (!intent.IsDecided)
        {
            await log.EndAsync(intent, sender, cancellationToken);
            return null;
        }

        if (intent.What == Intent.Deletion)
        {
            return await Deletes(intent).RunAsync(cancellationToken);
        }

        var run = Bills(intent);
        if (intent.IsAside)
        {
            return await run.UndoAsync(cancellationToken);
        }

        try
        {
            return await run.RunAsync(cancellationToken);
        }
        catch (StoreException e) when (e.Subject != intent.Id && !e.HasWaited)
        {
            // Until its bill is written nothing of it counts.
            await run.UndoAsync(cancellationToken);
            throw new UndoneException(e);
        }
    }

    /// <summary>Another has taken the unit over, and finishes it; who is gone in turn is followed by this one.</summary>
    /// <returns>The bill that it has made.</returns>
    /// <exception cref="MigrationException"><c>WriteOutcomeUnknown</c>: it was set aside, or ended unseen and its bill is not there.</exception>
    private async Task<BillingRecord?> WaitForEndAsync(Intent intent)
    {
        Dictionary<string, AttributeValue>? last = null;
        for (var failures = 1; await side.FindIntentAsync(intent.Id, CancellationToken.None) is { } item; failures++)
        {
            if (item.TryGetValue("reason", out var reason))
            {
                throw StoreErrors.OutcomeUnknown(intent.Entity.Entity, new InvalidOperationException($"The unit was set aside: {reason.S}"));
            }

            last = item;
            if (!log.IsLeft(item) || !await TakeOverAsync(log.Read(item)!, CancellationToken.None))
            {
                await side.Calls.PauseAsync(failures, CancellationToken.None);
            }
        }

        if (intent.What == Intent.Deletion)
        {
            return null;
        }

        return last is not null && IntentLog.IsSo(last, IntentLog.Done) ? LargeBillRun.Made(intent, RunOf(intent), last)
            : await side.Rows.FindAsync(intent.Entity, intent.Row, intent.Entity.PrimaryKey, CancellationToken.None) is { } row ? new BillingRecord(intent.Entity, row)
            : throw StoreErrors.OutcomeUnknown(intent.Entity.Entity, IntentLog.TakenOverError(intent));
    }
}

/// <summary>A large unit was refused after it was decided, and nothing of it is left.</summary>
internal sealed class UndoneException(StoreException refusal) : Exception(refusal.Message, refusal)
{
    public StoreException Refusal => refusal;
}
