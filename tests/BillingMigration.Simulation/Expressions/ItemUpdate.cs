namespace BillingMigration.Simulation;

/// <summary>Applies an update expression to an item. Every operand sees the item as it was before.</summary>
internal static class ItemUpdate
{
    public static void Check(ParsedUpdate update, Bindings bindings, TableSchema schema)
    {
        DocumentPath.RequireApart([.. update.Actions.Select(a => a.Path)], bindings);
        foreach (var action in update.Actions)
        {
            if (schema.IsKey(bindings.Name(action.Path.Steps[0].Name!)))
            {
                throw ServiceError.Invalid("One or more parameter values were invalid: Cannot update an attribute that is part of the key");
            }

            action.Operand?.Check(bindings);
            var literal = action.Operand?.Literal(bindings);
            if ((action.Kind == UpdateKind.Add && literal is { IsSet: false, Kind: not ItemValueKind.N }) || (action.Kind == UpdateKind.Delete && literal is { IsSet: false }))
            {
                throw ServiceError.Invalid($"Invalid UpdateExpression: Incorrect operand type for operator or function; operator: {action.Kind}");
            }
        }
    }

    public static Item Apply(ParsedUpdate update, Item? before, Item start, Bindings bindings)
    {
        // Elements are removed from the end of a list first, and added in the order of their indexes, so that indexes keep their meaning.
        var ordered = update.Actions.Select(a => (Action: a, Value: Operate(a, before, bindings)))
            .OrderBy(a => a.Action.Kind == UpdateKind.Remove)
            .ThenBy(a => a.Action.Path.Steps[^1].Index * (a.Action.Kind == UpdateKind.Remove ? -1 : 1))
            .ToArray();
        var root = new Dictionary<string, ItemValue>(start.Attributes, StringComparer.Ordinal);
        foreach (var (action, value) in ordered)
        {
            var name = bindings.Name(action.Path.Steps[0].Name!);
            root.TryGetValue(name, out var old);
            Put(root, name, Change(old, action, value, 1, bindings));
        }

        return new Item(root);
    }

    private static ItemValue? Operate(UpdateAction action, Item? before, Bindings bindings)
    {
        if (action.Kind == UpdateKind.Remove)
        {
            return null;
        }

        return action.Operand!.Evaluate(before, bindings)
            ?? throw ServiceError.Invalid("The provided expression refers to an attribute that does not exist in the item");
    }

    private static ItemValue? Change(ItemValue? old, UpdateAction action, ItemValue? value, int depth, Bindings bindings)
    {
        var steps = action.Path.Steps;
        if (depth == steps.Length)
        {
            return action.Kind switch
            {
                UpdateKind.Set => value,
                UpdateKind.Remove => null,
                UpdateKind.Add => Add(old, value!),
                _ => Delete(old, value!),
            };
        }

        if (steps[depth].Name is { } step)
        {
            if (old is not { Kind: ItemValueKind.M })
            {
                throw WrongPath();
            }

            var name = bindings.Name(step);
            var members = new Dictionary<string, ItemValue>(old.Members, StringComparer.Ordinal);
            members.TryGetValue(name, out var member);
            Put(members, name, Change(member, action, value, depth + 1, bindings));
            return ItemValue.OfMap(members);
        }

        if (old is not { Kind: ItemValueKind.L })
        {
            throw WrongPath();
        }

        return ItemValue.OfList(ChangeElement(old, action, value, depth, bindings));
    }

    private static List<ItemValue> ChangeElement(ItemValue old, UpdateAction action, ItemValue? value, int depth, Bindings bindings)
    {
        var index = action.Path.Steps[depth].Index;
        var elements = old.Elements.ToList();
        var changed = Change(index < elements.Count ? elements[index] : null, action, value, depth + 1, bindings);
        if (index >= elements.Count)
        {
            if (changed is not null)
            {
                elements.Add(changed);
            }
        }
        else if (changed is null)
        {
            elements.RemoveAt(index);
        }
        else
        {
            elements[index] = changed;
        }

        return elements;
    }

    private static ItemValue Add(ItemValue? old, ItemValue value)
    {
        if (old is null)
        {
            return value;
        }

        if (old.Kind != value.Kind)
        {
            throw ServiceError.Invalid("An operand in the update expression has an incorrect data type");
        }

        return value.IsSet ? ItemValue.OfSet(value.Kind, old.Elements.Concat(value.Elements)) : ItemValue.OfNumber(DynamoNumber.Add(old.Number, value.Number));
    }

    private static ItemValue? Delete(ItemValue? old, ItemValue value)
    {
        if (old is null)
        {
            return null;
        }

        if (old.Kind != value.Kind)
        {
            throw ServiceError.Invalid("An operand in the update expression has an incorrect data type");
        }

        var left = old.Elements.Where(e => !value.Elements.Contains(e)).ToArray();
        return left.Length == 0 ? null : ItemValue.OfSet(old.Kind, left);
    }

    private static void Put(Dictionary<string, ItemValue> members, string name, ItemValue? value)
    {
        if (value is null)
        {
            members.Remove(name);
        }
        else
        {
            members[name] = value;
        }
    }

    private static ServiceError WrongPath() => ServiceError.Invalid("The document path provided in the update expression is invalid for update");
}
