(* Edge to edge (the last sentence of Lemma 9). If the core of the checker accepts, then
   Theorem edge_to_edge: every edge of a listed piece is the reverse, name by name, of an edge of another piece, or the
   window lies on its left; and a point of two different pieces is a corner of both, or lies strictly inside an edge of
   the one whose reverse is an edge of the other. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool Lia Permutation FMapPositive.
From Exactcam Require Import Lists Plane Polygon Tiling Network Regions Evaluate Checker Sound.
Import ListNotations.
Open Scope R_scope.

Lemma pt_dec (x y : pt) : {x = y} + {x <> y}.
Proof. destruct x as [x1 x2], y as [y1 y2]. destruct (Req_EM_T x1 y1), (Req_EM_T x2 y2); [left | right..]; congruence. Qed.
(* ---------- near an edge *)
Definition on (x a b : pt) : Prop := exists s, 0 < s < 1 /\ x = at_ s a b.
Lemma on_swap x a b : on x a b -> on x b a.
Proof.
  intros (s & S & ->). exists (1 - s). split; [lra|]. destruct a as [a1 a2], b as [b1 b2]. unfold at_; simpl. f_equal; ring.
Qed.
Lemma on_orient x a b c : on x a b -> exists s, 0 < s < 1 /\ (forall f, ev f x = (1 - s) * ev f a + s * ev f b) /\
  orient b c x = (1 - s) * orient a b c /\ orient c a x = s * orient a b c /\ orient a b x = 0.
Proof.
  intros (s & S & ->). exists s. split; [exact S|]. split; [intros; apply ev_at|]. unfold orient, at_; simpl. repeat split; ring.
Qed.
(* the open triangle of two corners that make an edge and a third is inside *)
Lemma triangle_inside l a b c p : conv l -> In a l -> In b l -> In c l -> 0 < orient a b c -> inT a b c p -> inside l p.
Proof.
  intros C Ia Ib Ic O (T1 & T2 & T3) e E. destruct (edge_strict l e C E) as (d & Id & D).
  pose proof (corner_in l a C Ia e E) as A0. pose proof (corner_in l b C Ib e E) as B0. pose proof (corner_in l c C Ic e E) as C0.
  pose proof (bary (line (fst e) (snd e)) a b c p) as K. rewrite !ev_line in K.
  destruct (Req_dec (orient (fst e) (snd e) a + orient (fst e) (snd e) b + orient (fst e) (snd e) c) 0) as [Z|Z].
  - exfalso. pose proof (bary (line (fst e) (snd e)) a b c d) as B. rewrite !ev_line in B.
    assert (Za : orient (fst e) (snd e) a = 0) by lra. assert (Zb : orient (fst e) (snd e) b = 0) by lra. assert (Zc : orient (fst e) (snd e) c = 0) by lra.
    rewrite Za, Zb, Zc in B. nra.
  - apply Rmult_lt_reg_l with (orient a b c); [exact O|]. rewrite Rmult_0_r, <- K.
    pose proof (nonneg_mul _ _ (Rlt_le _ _ T1) C0). pose proof (nonneg_mul _ _ (Rlt_le _ _ T2) A0). pose proof (nonneg_mul _ _ (Rlt_le _ _ T3) B0).
    destruct (Rle_lt_dec (orient b c p * orient (fst e) (snd e) a + orient c a p * orient (fst e) (snd e) b + orient a b p * orient (fst e) (snd e) c) 0) as [L|L]; [|exact L].
    exfalso. apply Z.
    assert (E1 : orient b c p * orient (fst e) (snd e) a = 0) by lra. assert (E2 : orient c a p * orient (fst e) (snd e) b = 0) by lra.
    assert (E3 : orient a b p * orient (fst e) (snd e) c = 0) by lra.
    apply Rmult_integral in E1, E2, E3. lra.
Qed.
Lemma edge_in {X} (l : list X) e : In e (edges l) -> In (fst e) l /\ In (snd e) l.
Proof.
  destruct l as [|x l]; [intros []|]. intros I. apply consec_in in I. cbn [In] in *. rewrite !in_app_iff in I. cbn [In] in I. tauto.
Qed.
(* half a disc around a point inside an edge is inside the polygon *)
Lemma half_disc l a b x : conv l -> In (a, b) (edges l) -> on x a b ->
  exists d, 0 < d /\ forall y, box x d y -> 0 < orient a b y -> inside l y.
Proof.
  intros C E O. destruct (edge_strict l (a, b) C E) as (c & Ic & K). cbn [fst snd] in K. destruct (edge_in l (a, b) E) as [Ia Ib]. cbn [fst snd] in *.
  destruct (on_orient x a b c O) as (s & S & _ & O1 & O2 & _).
  assert (P1 : 0 < ev (line b c) x) by (rewrite ev_line, O1; apply Rmult_lt_0_compat; lra).
  assert (P2 : 0 < ev (line c a) x) by (rewrite ev_line, O2; apply Rmult_lt_0_compat; lra).
  destruct (ev_pos_near _ _ P1) as (d1 & D1 & N1). destruct (ev_pos_near _ _ P2) as (d2 & D2 & N2).
  exists (Rmin d1 d2). split; [apply Rmin_glb_lt; assumption|]. intros y B Y.
  apply (triangle_inside l a b c); auto. split; [exact Y|]. rewrite <- !ev_line. split.
  - apply N1. eapply box_le; [apply Rmin_l | exact B].
  - apply N2. eapply box_le; [apply Rmin_r | exact B].
Qed.

(* ---------- strictly convex: the corners off an edge are strictly on its left *)
Lemma last_edge {X} (l : list X) : forall a z, In (final a l, z) (consec a (l ++ [z])).
Proof. induction l as [|b l IH]; intros a z; simpl; [auto | right; apply IH]. Qed.
Lemma ccw_strict_edge l : forall a e c, ccw (a :: l) -> In e (consec a l) -> In c (a :: l) ->
  c = fst e \/ c = snd e \/ 0 < orient (fst e) (snd e) c.
Proof.
  induction l as [|b l IH]; intros a e c H I J; simpl in I; [tauto|]. destruct H as [H1 H2]. destruct I as [<-|I].
  - simpl. destruct J as [<-|[<-|J]]; auto. right; right. inversion H1 as [|? ? X _]; subst. rewrite Forall_forall in X. auto.
  - destruct J as [<-|J]; [|apply (IH b); assumption]. right; right.
    pose proof (consec_pairs _ _ _ _ H1 I) as K. unfold orient in *; lra.
Qed.
Lemma ccw_strict l e c : ccw l -> In e (edges l) -> In c l -> c = fst e \/ c = snd e \/ 0 < orient (fst e) (snd e) c.
Proof.
  destruct l as [|p l]; [intros _ []|]. intros H I J. unfold edges in I. apply consec_snoc in I. destruct I as [I| ->].
  - apply (ccw_strict_edge l p); assumption.
  - cbn [fst snd]. destruct J as [<-|J]; [auto|]. destruct l as [|a l]; [destruct J|].
    change (final p (a :: l)) with (final a l). destruct (last_pairs _ _ _ _ (proj1 H) J) as [E|K]; [auto|].
    right; right. unfold orient in *; lra.
Qed.
Lemma edge_ne l a b : conv l -> In (a, b) (edges l) -> a <> b.
Proof. intros C E ->. destruct (edge_strict l (b, b) C E) as (c & _ & K). cbn [fst snd] in K. rewrite orient_same in K. lra. Qed.
(* a corner is strictly inside no edge *)
Lemma corner_not_on l a b x : ccw l -> conv l -> In (a, b) (edges l) -> In x l -> ~ on x a b.
Proof.
  intros H C E I O. pose proof (edge_ne l a b C E) as N.
  destruct (on_orient x a b a O) as (s & S & _ & _ & _ & Z). destruct O as (t & T & Ex).
  destruct (ccw_strict l (a, b) x H E I) as [X|[X|X]]; cbn [fst snd] in X; [| |lra]; apply N; destruct a as [a1 a2], b as [b1 b2];
    subst x; unfold at_ in X; simpl in X; injection X as X1 X2; f_equal; nra.
Qed.
(* two edges of one polygon that share a point inside both are one *)
Lemma edges_cross l a b c d x : ccw l -> conv l -> In (a, b) (edges l) -> In (c, d) (edges l) -> on x a b -> on x c d -> (c, d) = (a, b).
Proof.
  intros H C E1 E2 O1 O2. destruct (edge_strict l (a, b) C E1) as (f & If & K). cbn [fst snd] in K.
  destruct (on_orient x a b f O1) as (s & S & _ & _ & _ & Z). destruct (on_orient x c d f O2) as (t & T & Ev & _).
  destruct (edge_in l (c, d) E2) as [Ic Id]. cbn [fst snd] in *. pose proof (edge_ne l c d C E2) as N.
  assert (Zs : orient a b c = 0 /\ orient a b d = 0).
  { pose proof (corner_in l c C Ic (a, b) E1) as A1. pose proof (corner_in l d C Id (a, b) E1) as A2. cbn [fst snd] in *.
    pose proof (Ev (line a b)) as Q0. rewrite !ev_line, Z in Q0. nra. }
  destruct Zs as [Zc Zd].
  destruct (ccw_strict l (a, b) c H E1 Ic) as [X|[X|X]], (ccw_strict l (a, b) d H E1 Id) as [Y|[Y|Y]]; cbn [fst snd] in X, Y; try lra; subst; try congruence.
  exfalso. pose proof (corner_in l f C If (b, a) E2) as B. cbn [fst snd] in B. rewrite orient_anti in B. lra.
Qed.

(* ---------- a point of a polygon is inside it, a corner, or strictly inside an edge *)
Lemma not_inside (es : list (pt * pt)) p : (forall e, In e es -> 0 <= orient (fst e) (snd e) p) ->
  (forall e, In e es -> 0 < orient (fst e) (snd e) p) \/ exists e, In e es /\ orient (fst e) (snd e) p = 0.
Proof.
  induction es as [|e es IH]; intros H; [left; intros ? []|]. destruct IH as [A|(e' & I & Z)]; [intros; apply H; simpl; auto| |right; exists e'; simpl; auto].
  destruct (Req_dec (orient (fst e) (snd e) p) 0) as [Z|Z]; [right; exists e; simpl; auto|]. left. intros e' [<-|I]; [|auto].
  pose proof (H e (or_introl eq_refl)). lra.
Qed.
Lemma between_of a b c x : 0 < orient a b c -> orient a b x = 0 -> 0 <= orient b c x -> 0 <= orient c a x -> x = a \/ x = b \/ on x a b.
Proof.
  intros O Z A B. pose proof (orient_sum a b c x) as S.
  pose proof (bary (F 1 0 0) a b c x) as X. pose proof (bary (F 0 1 0) a b c x) as Y.
  unfold ev in X, Y; simpl in X, Y. rewrite Z in *.
  destruct (Req_dec (orient b c x) 0) as [Z1|Z1]; [|destruct (Req_dec (orient c a x) 0) as [Z2|Z2]].
  - right; left. rewrite Z1 in *. destruct x as [x1 x2], b as [b1 b2]; simpl in *. f_equal; apply Rmult_eq_reg_l with (orient a (P b1 b2) c); lra || nra.
  - left. rewrite Z2 in *. destruct x as [x1 x2], a as [a1 a2]; simpl in *. f_equal; apply Rmult_eq_reg_l with (orient (P a1 a2) b c); lra || nra.
  - right; right. exists (orient c a x / orient a b c). split.
    + split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (orient a b c); [exact O|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
    + unfold at_. destruct x as [x1 x2]; simpl in *. assert (E : orient b c (P x1 x2) = orient a b c - orient c a (P x1 x2)) by lra. rewrite E in *.
      f_equal; apply Rmult_eq_reg_l with (orient a b c); try lra.
      * replace (orient a b c * (px a + orient c a (P x1 x2) / orient a b c * (px b - px a)))
          with (orient a b c * px a + orient c a (P x1 x2) * (px b - px a)) by (field; lra). lra.
      * replace (orient a b c * (py a + orient c a (P x1 x2) / orient a b c * (py b - py a)))
          with (orient a b c * py a + orient c a (P x1 x2) * (py b - py a)) by (field; lra). lra.
Qed.
Lemma three_zero f a b c : orient a b c <> 0 -> ev f a = 0 -> ev f b = 0 -> ev f c = 0 -> forall p, ev f p = 0.
Proof. intros O A B C p. pose proof (bary f a b c p) as K. rewrite A, B, C in K. apply Rmult_eq_reg_l with (orient a b c); lra. Qed.
Theorem boundary_point l x : (3 <= length l)%nat -> ccw l -> inP l x -> inside l x \/ In x l \/ exists a b, In (a, b) (edges l) /\ on x a b.
Proof.
  intros L H I. pose proof (proj1 (ccw_conv l L H)) as C.
  destruct (not_inside (edges l) x I) as [A|(e0 & E0 & Z0)]; [left; exact A|]. right.
  destruct l as [|p0 [|p1 [|p2 t]]]; simpl in L; try lia. set (l := p0 :: p1 :: p2 :: t) in *.
  destruct (edge_strict l e0 C E0) as (g & Ig & Pg). set (h := line (fst e0) (snd e0)).
  assert (Hh : forall c, In c l -> 0 <= ev h c) by (intros c Ic; unfold h; rewrite ev_line; apply (corner_in l c C Ic e0 E0)).
  assert (Hx : ev h x = 0) by (unfold h; rewrite ev_line; exact Z0).
  assert (Hn : ~ forall p, ev h p = 0) by (intros N; specialize (N g); unfold h in N; rewrite ev_line in N; lra).
  destruct (walk x p0 (p2 :: t) p1) as (e & E & A & B & D); [discriminate | apply (I (p0, p1)); simpl; auto | intros e E; apply I; right; exact E|].
  destruct (consec_in _ _ _ E) as [Jc Jd]. destruct e as [c d]. cbn [fst snd] in *.
  assert (O : 0 < orient p0 c d). { apply (consec_pairs _ _ _ _ (proj1 H) E). }
  assert (Ic : In c l) by (right; exact Jc). assert (Id : In d l) by (right; right; exact Jd). assert (Ip : In p0 l) by (left; reflexivity).
  pose proof (bary h p0 c d x) as K. rewrite Hx, Rmult_0_r in K.
  pose proof (nonneg_mul _ _ B (Hh p0 Ip)) as K1. pose proof (nonneg_mul _ _ D (Hh c Ic)) as K2. pose proof (nonneg_mul _ _ A (Hh d Id)) as K3.
  assert (M1 : orient c d x * ev h p0 = 0) by lra. assert (M2 : orient d p0 x * ev h c = 0) by lra. assert (M3 : orient p0 c x * ev h d = 0) by lra.
  apply Rmult_integral in M1, M2, M3.
  assert (EL : edges l = consec p0 ((p1 :: p2 :: t) ++ [p0])) by reflexivity.
  destruct (Req_dec (orient c d x) 0) as [W1|W1].
  - (* on the edge c d *)
    destruct (between_of c d p0 x) as [Y|[Y|Y]]; [rewrite orient_cyc; exact O | exact W1 | exact D | exact A | left; congruence | left; congruence|].
    right. exists c, d. split; [|exact Y]. rewrite EL. cbn [app consec]. right. change (In (c, d) (consec p1 ((p2 :: t) ++ [p0]))).
    rewrite consec_app. cbn [app]. rewrite <- (app_nil_r (p2 :: t)) in E. clear - E.
    assert (G : forall l a, In (c, d) (consec a l) -> In (c, d) (consec a (l ++ [p0]))).
    { induction l as [|y l IH]; intros a; simpl; [tauto|]. intros [Q|Q]; auto. }
    rewrite app_nil_r in E. apply (G (p2 :: t) p1) in E. rewrite consec_app in E. exact E.
  - assert (V0 : ev h p0 = 0) by tauto.
    destruct (Req_dec (orient d p0 x) 0) as [W2|W2]; [destruct (Req_dec (orient p0 c x) 0) as [W3|W3]|].
    + left. destruct (between_of p0 c d x O W3) as [Y|[Y|Y]]; [lra | lra | rewrite Y; exact Ip | rewrite Y; exact Ic|].
      exfalso. destruct (on_orient x p0 c d Y) as (s & S & _ & _ & Q0 & _). rewrite W2 in Q0. nra.
    + (* on d p0, where d is the last corner *)
      assert (V2 : ev h d = 0) by tauto.
      destruct (between_of d p0 c x) as [Y|[Y|Y]]; [rewrite <- orient_cyc; exact O | exact W2 | exact A | exact B | left; congruence | left; congruence|].
      right. exists d, p0. split; [|exact Y].
      destruct (last_pairs _ _ _ _ (proj1 H) (or_intror Jd : In d (p1 :: p2 :: t))) as [Ed|Od].
      * rewrite EL, Ed. apply (last_edge (p1 :: p2 :: t) p0 p0).
      * exfalso. set (f := final p1 (p2 :: t)) in *. assert (If : In f l) by (right; apply final_in).
        pose proof (bary h p0 d f c) as Q0. rewrite V0, V2, !Rmult_0_r, !Rplus_0_l in Q0.
        assert (N1 : orient p0 d c < 0) by (unfold orient in *; lra).
        pose proof (Hh f If). pose proof (Hh c Ic). assert (ev h c = 0) by nra.
        apply Hn, (three_zero h p0 c d); auto; lra.
    + (* on p0 c, where c is the second corner *)
      assert (V1 : ev h c = 0) by tauto. assert (W3 : orient p0 c x = 0).
      { destruct M3 as [M3|M3]; [exact M3|]. exfalso. apply Hn, (three_zero h p0 c d); auto; lra. }
      destruct (between_of p0 c d x O W3 B D) as [Y|[Y|Y]]; [left; congruence | left; congruence|].
      right. exists p0, c. split; [|exact Y]. destruct Jc as [<-|Jc]; [rewrite EL; left; reflexivity|].
      exfalso. assert (Oc : 0 < orient p0 p1 c). { pose proof (proj1 H) as F1. inversion F1 as [|? ? X _]; subst. rewrite Forall_forall in X. apply X, Jc. }
      pose proof (bary h p0 c d p1) as Q0. rewrite V0, V1, !Rmult_0_r, !Rplus_0_l in Q0.
      assert (N1 : orient p0 c p1 < 0) by (unfold orient in *; lra). assert (I1 : In p1 l) by (right; left; reflexivity).
      pose proof (Hh p1 I1). pose proof (Hh d Id). assert (ev h d = 0) by nra.
      apply Hn, (three_zero h p0 c d); auto; lra.
Qed.

(* ---------- the listed pieces *)
Section edges.
Variables (q : question) (a : answer).
Hypothesis ok : checked q a.
Notation names := (concat (regions a)).
Definition shape_of (k : list positive) : list pt := map (corner a) k.

Lemma names_ccw k : In k names -> (3 <= length (shape_of k))%nat /\ ccw (shape_of k).
Proof.
  intros I. apply (check_sound q a ok). unfold pieces. rewrite <- (concat_map (map (corner a))). apply in_map, I.
Qed.
Lemma names_conv k : In k names -> conv (shape_of k).
Proof. intros I. destruct (names_ccw k I). apply ccw_conv; assumption. Qed.
Lemma shape_edges k : edges (shape_of k) = map (fun e => (corner a (fst e), corner a (snd e))) (edges k).
Proof. apply edges_map. Qed.
Lemma shape_edge k u v : In (u, v) (edges k) -> In (corner a u, corner a v) (edges (shape_of k)).
Proof. intros I. rewrite shape_edges. apply in_map_iff. exists (u, v). auto. Qed.
Lemma edge_named k b c : In (b, c) (edges (shape_of k)) -> exists u v, In (u, v) (edges k) /\ b = corner a u /\ c = corner a v.
Proof. rewrite shape_edges. intros I. apply in_map_iff in I. destruct I as ([u v] & E & I). injection E as <- <-. exists u, v. auto. Qed.

(* every edge of a piece is the reverse of an edge of a piece, or runs along the window *)
Lemma reversed k u v : In k names -> In (u, v) (edges k) -> (exists k', In k' names /\ In (v, u) (edges k')) \/ In (u, v) (side_edges (sides a)).
Proof.
  intros Ik Ie. destruct (parts q a ok) as (_ & _ & _ & _ & _ & _ & Cn). unfold balanced in Cn.
  set (S1 := window_edges a) in *. set (E := all_edges (regions a) S1) in *.
  assert (PE : Permutation (flat_map edges names ++ S1) E) by apply all_edges_perm.
  assert (I1 : In (u, v) E). { apply (Permutation_in _ PE), in_app_iff. left. apply in_flat_map. exists k; auto. }
  apply (Permutation_in _ Cn) in I1.
  apply in_map_iff in I1. destruct I1 as ([x y] & Es & I1). injection Es as <- <-.
  apply (Permutation_in _ (Permutation_sym PE)) in I1. apply in_app_iff in I1. destruct I1 as [I1|I1].
  - left. apply in_flat_map in I1. destruct I1 as (k' & A & B). exists k'; auto.
  - right. unfold S1, window_edges in I1. rewrite rev_map_ok, app_nil_r, <- in_rev in I1. apply in_map_iff in I1. destruct I1 as ([x' y'] & Es & I1).
    injection Es as <- <-. exact I1.
Qed.
(* the window lies on the left of what runs along it *)
Lemma steps_left c : (0 < hw c)%Z -> forall l b p, (0 < hw b)%Z -> (forall h, In h l -> (0 < hw h)%Z) -> steps b l c = true ->
  0 <= orient (hp b) (hp c) p -> forall e, In e (consec (hp b) (map hp l)) -> 0 <= orient (fst e) (snd e) p.
Proof.
  intros C. induction l as [|d l IH]; intros b p B D H O e I; cbn [steps] in H; [discriminate|].
  destruct l as [|d' l].
  - apply heq_ok in H. subst d. destruct I as [<-|[]]. exact O.
  - apply andb_true_iff in H. destruct H as [H1 H2]. apply andb_true_iff in H1. destruct H1 as [H1 T2]. apply andb_true_iff in H1. destruct H1 as [H1 T1].
    assert (Pd : (0 < hw d)%Z) by (apply D; left; reflexivity).
    destruct (on_segment (hp b) (hp d) (hp c)) as (s & S & E).
    + apply Z.eqb_eq in H1. pose proof (det_orient b d c B Pd C) as Q0. rewrite H1 in Q0. apply IZR_lt in B, Pd, C.
      assert (0 < IZR (hw b) * IZR (hw d) * IZR (hw c)) by (apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat|]; assumption). nra.
    + apply towards_dot; assumption.
    + apply towards_dot; assumption.
    + assert (O1 : orient (hp b) (hp d) p = s * orient (hp b) (hp c) p) by (rewrite E; unfold orient, at_; simpl; ring).
      assert (O2 : orient (hp d) (hp c) p = (1 - s) * orient (hp b) (hp c) p) by (rewrite E; unfold orient, at_; simpl; ring).
      destruct I as [<-|I].
      * cbn [fst snd]. rewrite O1. apply Rmult_le_pos; lra.
      * apply (IH d p); try assumption; [intros; apply D; right; assumption | rewrite O2; apply Rmult_le_pos; lra].
Qed.
Lemma side_left u v p : In (u, v) (side_edges (sides a)) -> inP (windowR q) p -> 0 <= orient (corner a u) (corner a v) p.
Proof.
  destruct (parts q a ok) as (_ & DW & _ & _ & _ & Sd & _). intros I J.
  assert (G : forall W s, (forall e, In e W -> (0 < hw (fst e))%Z /\ (0 < hw (snd e))%Z /\ 0 <= orient (hp (fst e)) (hp (snd e)) p) ->
    sides_ok (fun i => option_map vp (PositiveMap.find i (table q (vertices a)))) W s = true ->
    In (u, v) (side_edges s) -> 0 <= orient (corner a u) (corner a v) p).
  { clear - ok. induction W as [|[b c] W IH]; intros [|[|i t] s] D H I; cbn [sides_ok] in H; try discriminate; [destruct I|].
    destruct (PositiveMap.find i _) as [vi|] eqn:Fi; cbn [option_map] in H; [|discriminate].
    destruct (all_some _ t) as [l|] eqn:Fl in H; [|discriminate].
    apply andb_true_iff in H. destruct H as [H H3]. apply andb_true_iff in H. destruct H as [H1 H2]. apply heq_ok in H1.
    unfold side_edges in I. cbn [flat_map] in I. apply in_app_iff in I.
    destruct I as [I|I]; [|apply (IH s); [intros; apply D; right; assumption | exact H3 | exact I]].
    apply (find_good q a ok) in Fi. destruct Fi as [_ Ci]. rewrite H1 in Ci. apply all_some_spec in Fl.
    assert (X : map (corner a) t = map hp l /\ forall h, In h l -> (0 < hw h)%Z).
    { clear - Fl ok. induction Fl as [|j h t l E _ [I1 I2]]; [split; [reflexivity | intros ? []]|].
      destruct (PositiveMap.find j _) as [v|] eqn:Fj; [|discriminate]. injection E as <-. apply (find_good q a ok) in Fj. destruct Fj as [[G _] C].
      split; [simpl; f_equal; [symmetry; exact C | exact I1] | intros h [<-|I]; auto]. }
    destruct X as [X1 X2]. destruct (D (b, c) (or_introl eq_refl)) as (D1 & D2 & D3). cbn [fst snd] in *.
    apply (steps_left c D2 l b p D1 X2 H2 D3 (corner a u, corner a v)). rewrite Ci, <- X1, consec_map. apply in_map_iff. exists (u, v). auto. }
  apply (G (edges (window q)) (sides a)); [|exact Sd|exact I].
  intros e Ie. pose proof (edge_in _ _ Ie) as [A B]. split; [apply DW, A|]. split; [apply DW, B|].
  apply (J (hp (fst e), hp (snd e))). unfold windowR. rewrite edges_map. apply in_map_iff. exists e. auto.
Qed.

Notation at_name i k := (nth_error names i = Some k).
Lemma apart i j k l p : at_name i k -> at_name j l -> i <> j -> inside (shape_of k) p -> inside (shape_of l) p -> False.
Proof.
  intros K L N. destruct (check_sound q a ok) as (_ & _ & D & _). apply (D i j); [| |exact N];
    unfold pieces; rewrite <- (concat_map (map (corner a))), nth_error_map; [rewrite K | rewrite L]; reflexivity.
Qed.
Lemma in_window k p : In k names -> inP (shape_of k) p -> inP (windowR q) p.
Proof.
  intros I J. destruct (check_sound q a ok) as (_ & _ & _ & C & _). apply C. exists (shape_of k). split; [|exact J]. unfold pieces. rewrite <- (concat_map (map (corner a))). apply in_map, I.
Qed.
Lemma not_in_both i j k l x : at_name i k -> at_name j l -> i <> j -> inside (shape_of k) x -> inP (shape_of l) x -> False.
Proof.
  intros K L N A B. destruct (inside_open _ _ A) as (d & D & Nd).
  destruct (dense_inside (shape_of l) x (names_conv l (nth_error_In _ _ L)) B d D) as (y & By & Y). apply (apart i j k l y K L N); auto.
Qed.
Theorem neighbours i j k l x : at_name i k -> at_name j l -> i <> j -> inP (shape_of k) x -> inP (shape_of l) x -> ~ In x (shape_of k) ->
  exists u v, In (u, v) (edges k) /\ In (v, u) (edges l) /\ on x (corner a u) (corner a v).
Proof.
  intros K L N A B NC. pose proof (nth_error_In _ _ K) as Ik. pose proof (nth_error_In _ _ L) as Il.
  destruct (names_ccw k Ik) as [Lk Ck].
  destruct (boundary_point (shape_of k) x Lk Ck A) as [X|[X|(b & c & E & O)]]; [exfalso; apply (not_in_both i j k l x); assumption | contradiction|].
  apply edge_named in E. destruct E as (u & v & E & -> & ->). exists u, v. split; [exact E|].
  destruct (half_disc _ _ _ x (names_conv k Ik) (shape_edge k u v E) O) as (d1 & D1 & N1).
  (* a point inside l, off the line *)
  assert (Near : forall d, 0 < d -> exists y, box x d y /\ inside (shape_of l) y /\ orient (corner a u) (corner a v) y <> 0).
  { intros d D. destruct (dense_inside (shape_of l) x (names_conv l Il) B d D) as (y & By & Y).
    destruct (inside_open _ _ Y) as (e1 & E1 & M1). destruct (box_in x d y By) as (e2 & E2 & M2).
    destruct (avoid [line (corner a u) (corner a v)]) with (p := y) (e := Rmin e1 e2) as (z & e3 & E3 & M3 & M4).
    - constructor; [|constructor]. destruct (edge_strict _ _ (names_conv k Ik) (shape_edge k u v E)) as (c & _ & Kc). exists c. rewrite ev_line. cbn [fst snd] in Kc. lra.
    - apply Rmin_glb_lt; assumption.
    - pose proof (M3 z (box_self z e3 E3)) as Bz. pose proof (M4 z (box_self z e3 E3)) as Fz. inversion Fz; subst. exists z. split; [|split].
      + apply M2. eapply box_le; [apply Rmin_r | exact Bz].
      + apply M1. eapply box_le; [apply Rmin_l | exact Bz].
      + rewrite <- ev_line. assumption. }
  assert (Left : forall y, box x d1 y -> inside (shape_of l) y -> orient (corner a u) (corner a v) y <= 0).
  { intros y By Y. apply Rnot_lt_le. intros P1. apply (apart i j k l y K L N); auto. }
  destruct (reversed k u v Ik E) as [(m & Im & Em)|Sd].
  - split; [|exact O]. apply In_nth_error in Im. destruct Im as (n & Hn).
    destruct (Nat.eq_dec n j) as [->|Nj]; [congruence|]. exfalso.
    destruct (half_disc _ _ _ x (names_conv m (nth_error_In _ _ Hn)) (shape_edge m v u Em) (on_swap _ _ _ O)) as (d2 & D2 & N2).
    destruct (Near (Rmin d1 d2)) as (y & By & Y & Z); [apply Rmin_glb_lt; assumption|].
    assert (P1 : orient (corner a u) (corner a v) y <= 0) by (apply Left; [eapply box_le; [apply Rmin_l | exact By] | exact Y]).
    apply (apart n j m l y Hn L Nj); [|exact Y]. apply N2; [eapply box_le; [apply Rmin_r | exact By]|]. rewrite orient_anti. lra.
  - exfalso. destruct (Near d1 D1) as (y & By & Y & Z). pose proof (Left y By Y) as P1.
    pose proof (side_left u v y Sd (in_window l y Il (inside_inP _ _ Y))). lra.
Qed.
Theorem faces_meet i j k l x : at_name i k -> at_name j l -> i <> j -> In x (shape_of k) -> inP (shape_of l) x -> In x (shape_of l).
Proof.
  intros K L N A B. destruct (names_ccw l (nth_error_In _ _ L)) as [Ll Cl].
  destruct (in_dec pt_dec x (shape_of l)) as [D|D]; [exact D|]. exfalso.
  destruct (neighbours j i l k x L K (fun E => N (eq_sym E)) B) as (u & v & E1 & E2 & O); [|exact D|].
  - apply corner_in; [apply names_conv; eapply nth_error_In, K | exact A].
  - apply (corner_not_on (shape_of k) (corner a v) (corner a u) x); [apply names_ccw; eapply nth_error_In, K | apply names_conv; eapply nth_error_In, K
      | apply shape_edge, E2 | exact A | apply on_swap, O].
Qed.
Theorem edge_to_edge :
  (forall i k u v, at_name i k -> In (u, v) (edges k) ->
     (exists j l, j <> i /\ at_name j l /\ In (v, u) (edges l)) \/ forall p, inP (windowR q) p -> 0 <= orient (corner a u) (corner a v) p) /\
  (forall i j k l x, at_name i k -> at_name j l -> i <> j -> inP (shape_of k) x -> inP (shape_of l) x ->
     In x (shape_of k) /\ In x (shape_of l) \/ exists u v, In (u, v) (edges k) /\ In (v, u) (edges l) /\ on x (corner a u) (corner a v)).
Proof.
  split.
  - intros i k u v K E. pose proof (nth_error_In _ _ K) as Ik. destruct (reversed k u v Ik E) as [(l & Il & El)|S]; [left|right; intros; apply side_left; assumption].
    apply In_nth_error in Il. destruct Il as (j & L). exists j, l. split; [|auto]. intros ->. assert (l = k) by congruence. subst l.
    destruct (edge_strict _ _ (names_conv k Ik) (shape_edge k u v E)) as (c & Ic & C). cbn [fst snd] in C.
    pose proof (corner_in _ c (names_conv k Ik) Ic _ (shape_edge k v u El)) as D. cbn [fst snd] in D. rewrite orient_anti in D. lra.
  - intros i j k l x K L N A B. destruct (in_dec pt_dec x (shape_of k)) as [I|I].
    + left. split; [exact I | apply (faces_meet i j k l x); assumption].
    + right. apply (neighbours i j k l x); assumption.
Qed.
End edges.
