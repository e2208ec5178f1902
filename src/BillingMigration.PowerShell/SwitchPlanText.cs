using System.Globalization;
using BillingMigration.Store;

namespace BillingMigration.PowerShell;

/// <summary>What <c>Switch-BillingBackend -WhatIf</c> prints: gates, and steps with the time they are expected to take.</summary>
internal static class SwitchPlanText
{
    public static string Of(MigrationSession session, SwitchPlan plan)
    {
        var lines = new List<string> { $"Switch the applications of '{session.Definition.Name}' from {plan.Route.State} to {plan.To}" };
        if (!plan.Gates.IsEmpty)
        {
            lines.Add("  Gates");
            lines.AddRange(plan.Gates.SelectMany(g => PlanText.Wrap($"    {(g.IsOpen ? "open" : "CLOSED"),-8}{g.Name,-12}{g.Detail}", new string(' ', 24))));
        }

        lines.Add(plan.Steps.IsEmpty ? "  Nothing is to be done: they are there." : "  Steps");
        lines.AddRange(plan.Steps.SelectMany(s => PlanText.Wrap($"    {(s.Expected is { } time ? "~" + time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture) + " s" : ""),-8}{s.Name,-14}{s.What}", new string(' ', 26))));
        return string.Join(Environment.NewLine, lines);
    }
}
