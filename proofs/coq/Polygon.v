(* Convex polygons: what is known at the corners is known on the polygon; crossing numbers. *)
From Coq Require Import Reals Lra Psatz ZArith List.
From Exactcam Require Import Plane.
Import ListNotations.
Open Scope R_scope.

Definition fanpos (p0 a : pt) (l : list pt) := forall e, In e (consec a l) -> 0 < orient p0 (fst e) (snd e).
Definition conv (l : list pt) : Prop :=
  match l with
  | p0 :: p1 :: p2 :: t => (forall e c, In e (edges l) -> In c l -> 0 <= orient (fst e) (snd e) c)
                           /\ fanpos p0 p1 (p2 :: t)
  | _ => False
  end.

Lemma consec_app {A} (a b : A) l m : consec a (l ++ b :: m) = consec a (l ++ [b]) ++ consec b m.
Proof. revert a; induction l as [|c l IH]; intros a; simpl; [reflexivity|]. now rewrite IH. Qed.
Lemma consec_in {A} (a : A) l e : In e (consec a l) -> In (fst e) (a :: l) /\ In (snd e) l.
Proof.
  revert a; induction l as [|b l IH]; intros a; simpl; [tauto|].
  intros [<-|H]; simpl; [tauto|]. apply IH in H; simpl in H. tauto.
Qed.

(* ---------- closed polygons: a form that is >= 0 at the corners is >= 0 *)
Lemma walk p p0 l : forall a, l <> [] -> 0 <= orient p0 a p ->
  (forall e, In e (consec a (l ++ [p0])) -> 0 <= orient (fst e) (snd e) p) ->
  exists e, In e (consec a l) /\ 0 <= orient p0 (fst e) p /\ 0 <= orient (fst e) (snd e) p
            /\ 0 <= orient (snd e) p0 p.
Proof.
  induction l as [|b l IH]; intros a N A H; [congruence|].
  destruct (Rle_lt_dec (orient p0 b p) 0) as [L|L].
  - exists (a, b); simpl. repeat split; [auto | exact A | apply (H (a, b)); simpl; auto |].
    rewrite orient_anti; lra.
  - destruct l as [|c l].
    + pose proof (H (b, p0)) as K; simpl in K. rewrite orient_anti in K. exfalso.
      assert (0 <= - orient p0 b p) by (apply K; auto). lra.
    + destruct (IH b) as (e & I & X); [discriminate | lra | intros e I; apply H; simpl; right; exact I |].
      exists e; split; [simpl; right; exact I | exact X].
Qed.

Lemma conv_fan l p : conv l -> inP l p -> exists a b c, In a l /\ In b l /\ In c l /\
  0 < orient a b c /\ 0 <= orient a b p /\ 0 <= orient b c p /\ 0 <= orient c a p.
Proof.
  destruct l as [|p0 [|p1 [|p2 t]]]; simpl conv; try tauto. intros [_ Fn] I.
  destruct (walk p p0 (p2 :: t) p1) as (e & E & A & B & C).
  - discriminate.
  - apply (I (p0, p1)). simpl; auto.
  - intros e E. apply I. change (edges (p0 :: p1 :: p2 :: t)) with ((p0, p1) :: consec p1 ((p2 :: t) ++ [p0])).
    right; exact E.
  - exists p0, (fst e), (snd e). destruct (consec_in _ _ _ E) as [X Y].
    repeat split; try assumption; [now left | right; exact X | right; right; exact Y | apply Fn, E].
Qed.

Lemma nonneg_on l f : conv l -> (forall c, In c l -> 0 <= ev f c) -> forall p, inP l p -> 0 <= ev f p.
Proof.
  intros C H p I. destruct (conv_fan l p C I) as (a & b & c & Ia & Ib & Ic & S & A & B & D).
  pose proof (bary f a b c p) as E. pose proof (H a Ia); pose proof (H b Ib); pose proof (H c Ic).
  assert (0 <= orient b c p * ev f a) by (apply Rmult_le_pos; assumption).
  assert (0 <= orient c a p * ev f b) by (apply Rmult_le_pos; assumption).
  assert (0 <= orient a b p * ev f c) by (apply Rmult_le_pos; assumption).
  apply Rmult_le_reg_l with (orient a b c); lra.
Qed.
Definition neg (f : form) := F (- fa f) (- fb f) (- fc f).
Lemma ev_neg f p : ev (neg f) p = - ev f p.
Proof. unfold ev, neg; simpl; ring. Qed.
Lemma nonpos_on l f : conv l -> (forall c, In c l -> ev f c <= 0) -> forall p, inP l p -> ev f p <= 0.
Proof.
  intros C H p I. cut (0 <= ev (neg f) p). { rewrite ev_neg; lra. }
  apply (nonneg_on l); auto. intros c J. rewrite ev_neg. specialize (H c J). lra.
Qed.

(* ---------- closed is closed, inside is open *)
Lemma all_near (es : list (pt * pt)) p : (forall e, In e es -> 0 < orient (fst e) (snd e) p) ->
  exists d, 0 < d /\ forall q, box p d q -> forall e, In e es -> 0 < orient (fst e) (snd e) q.
Proof.
  induction es as [|e es IH]; intros H. { exists 1; split; [lra | simpl; tauto]. }
  destruct IH as (d & D & N). { intros; apply H; simpl; auto. }
  pose proof (H e (or_introl eq_refl)) as K. rewrite <- ev_line in K.
  destruct (ev_pos_near _ _ K) as (d' & D' & N').
  exists (Rmin d d'). split; [apply Rmin_glb_lt; assumption|].
  intros q B e' [<-|I].
  - rewrite <- ev_line. apply N'. eapply box_le; [apply Rmin_r | exact B].
  - apply N; [eapply box_le; [apply Rmin_l | exact B] | exact I].
Qed.
Lemma inside_open l p : inside l p -> exists d, 0 < d /\ forall q, box p d q -> inside l q.
Proof. apply all_near. Qed.
Lemma inP_dec (es : list (pt * pt)) p :
  (forall e, In e es -> 0 <= orient (fst e) (snd e) p) \/ (exists e, In e es /\ orient (fst e) (snd e) p < 0).
Proof.
  induction es as [|e es [IH|(e' & I & L)]]; [left; simpl; tauto| | right; exists e'; simpl; auto].
  destruct (Rle_lt_dec 0 (orient (fst e) (snd e) p)) as [H|H]; [left | right; exists e; simpl; auto].
  intros e' [<-|I]; auto.
Qed.
Lemma outside_open l p : ~ inP l p -> exists d, 0 < d /\ forall q, box p d q -> ~ inP l q.
Proof.
  intros N. destruct (inP_dec (edges l) p) as [H|(e & I & L)]; [contradiction|].
  rewrite <- ev_line in L. destruct (ev_neg_near _ _ L) as (d & D & K). exists d; split; [exact D|].
  intros q B J. specialize (J e I). specialize (K q B). rewrite ev_line in K. lra.
Qed.
Lemma inside_inP l p : inside l p -> inP l p.
Proof. intros H e I. specialize (H e I). lra. Qed.

(* ---------- strictness inside *)
Lemma pos_inside l f p c : conv l -> (forall c, In c l -> 0 <= ev f c) -> inP l c -> 0 < ev f c ->
  inside l p -> 0 < ev f p.
Proof.
  intros C H Ic K I. destruct (inside_open l p I) as (d & D & N).
  destruct (step_near p c d D) as (t & T & M).
  assert (X : inP l (at_ (- t) p c)) by (apply inside_inP, N, M; lra).
  apply (nonneg_on l f C H) in X. rewrite ev_at in X.
  assert (0 < t * ev f c) by (apply Rmult_lt_0_compat; lra). nra.
Qed.
Lemma corner_in l c : conv l -> In c l -> inP l c.
Proof.
  destruct l as [|p0 [|p1 [|p2 t]]]; simpl conv; try tauto. intros [H _] I e E. apply H; assumption.
Qed.
(* every edge has a corner strictly on its left *)
Lemma edge_strict l e : conv l -> In e (edges l) -> exists c, In c l /\ 0 < orient (fst e) (snd e) c.
Proof.
  destruct l as [|p0 [|p1 [|p2 t]]]; simpl conv; try tauto. intros [_ Fn] E.
  change (edges (p0 :: p1 :: p2 :: t)) with ((p0, p1) :: consec p1 ((p2 :: t) ++ [p0])) in E.
  destruct E as [<-|E].
  - exists p2. split; [simpl; auto|]. apply (Fn (p1, p2)); simpl; auto.
  - assert (G : forall l a, fanpos p0 a l -> In e (consec a (l ++ [p0])) -> l <> [] ->
                (exists c, In c (p0 :: a :: l) /\ 0 < orient (fst e) (snd e) c)).
    { clear. induction l as [|b l IH]; intros a Fn E N; [congruence|]. simpl in E. destruct E as [<-|E].
      - exists p0. split; [now left|]. pose proof (Fn (a, b) (or_introl eq_refl)) as K; simpl in *. unfold orient in *; lra.
      - destruct l as [|c l].
        + simpl in E. destruct E as [<-|[]]. exists a. split; [simpl; auto|]. simpl.
          pose proof (Fn (a, b) (or_introl eq_refl)) as K; simpl in K. unfold orient in *; lra.
        + destruct (IH b) as (x & X & Y); [intros y Z; apply Fn; simpl; auto | exact E | discriminate |].
          exists x; split; [simpl in *; tauto | exact Y]. }
    destruct (G (p2 :: t) p1 Fn E) as (c & X & Y); [discriminate|]. exists c; split; assumption.
Qed.
(* an inner point: the middle of the first three corners *)
Definition middle (l : list pt) : pt :=
  match l with a :: b :: c :: _ => P ((px a + px b + px c) / 3) ((py a + py b + py c) / 3) | _ => P 0 0 end.
Lemma middle_inside l : conv l -> inside l (middle l).
Proof.
  intros C e E. destruct (edge_strict l e C E) as (d & Id & Pd).
  destruct l as [|p0 [|p1 [|p2 t]]]; try (simpl in C; tauto). destruct C as [H Fn].
  set (f := line (fst e) (snd e)).
  assert (M : ev f (middle (p0 :: p1 :: p2 :: t)) = (ev f p0 + ev f p1 + ev f p2) / 3)
    by (unfold ev, middle; simpl; field).
  rewrite <- ev_line. fold f. rewrite M.
  assert (A : forall c, In c (p0 :: p1 :: p2 :: t) -> 0 <= ev f c) by (intros c I; unfold f; rewrite ev_line; apply H; auto).
  pose proof (A p0) as A0; pose proof (A p1) as A1; pose proof (A p2) as A2. simpl in A0, A1, A2.
  assert (Q : 0 < orient p0 p1 p2) by (apply (Fn (p1, p2)); simpl; auto).
  destruct (Req_dec (ev f p0 + ev f p1 + ev f p2) 0) as [Z|Z].
  - exfalso. assert (Z0 : ev f p0 = 0) by (apply Rle_antisym; [|]; lra || (assert (0 <= ev f p1) by auto; assert (0 <= ev f p2) by auto; assert (0 <= ev f p0) by auto; lra)).
    assert (Z1 : ev f p1 = 0) by (assert (0 <= ev f p1) by auto; assert (0 <= ev f p2) by auto; lra).
    assert (Z2 : ev f p2 = 0) by lra.
    pose proof (bary f p0 p1 p2 d) as B. rewrite Z0, Z1, Z2, !Rmult_0_r in B.
    unfold f in B. rewrite ev_line in B. nra.
  - assert (0 <= ev f p0) by auto. assert (0 <= ev f p1) by auto. assert (0 <= ev f p2) by auto. lra.
Qed.
Lemma dense_inside l p : conv l -> inP l p -> forall e, 0 < e -> exists q, box p e q /\ inside l q.
Proof.
  intros C I e E. destruct (step_near p (middle l) e E) as (t & T & N).
  exists (at_ t p (middle l)). split; [apply N; lra|]. intros x X.
  rewrite <- ev_line, ev_at, !ev_line. specialize (I x X). pose proof (middle_inside l C x X).
  assert (0 <= (1 - t) * orient (fst x) (snd x) p) by (apply Rmult_le_pos; lra).
  assert (0 < t * orient (fst x) (snd x) (middle l)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

(* ---------- crossing numbers *)
Definition chi (a b p : pt) : Z :=
  if Rle_dec (py a) (py p) then
    if Rlt_dec (py p) (py b) then (if Rlt_dec 0 (orient a b p) then 1%Z else 0%Z) else 0%Z
  else
    if Rle_dec (py b) (py p) then (if Rlt_dec (orient a b p) 0 then (-1)%Z else 0%Z) else 0%Z.
Lemma chi_anti a b p : chi b a p = (- chi a b p)%Z.
Proof.
  unfold chi; pose proof (orient_anti a b p).
  repeat match goal with |- context [Rle_dec ?x ?y] => destruct (Rle_dec x y)
                       | |- context [Rlt_dec ?x ?y] => destruct (Rlt_dec x y) end; try reflexivity; exfalso; lra.
Qed.
(* an edge may be cut at a point of it *)
Lemma chi_cut a b c p s : 0 < s < 1 -> b = at_ s a c -> (chi a b p + chi b c p)%Z = chi a c p.
Proof.
  intros S E.
  assert (A : orient a b p = s * orient a c p) by (subst b; unfold orient, at_; simpl; ring).
  assert (B : orient b c p = (1 - s) * orient a c p) by (subst b; unfold orient, at_; simpl; ring).
  assert (Y : py b = py a + s * (py c - py a)) by (subst b; reflexivity).
  assert (SG : forall t, 0 < t -> (0 < t * orient a c p <-> 0 < orient a c p) /\ (t * orient a c p < 0 <-> orient a c p < 0)).
  { intros t T. repeat split; intros; nra. }
  destruct (SG s) as [A1 A2]; [lra|]. destruct (SG (1 - s)) as [B1 B2]; [lra|].
  assert (U : py a <= py b <= py c \/ py c <= py b <= py a) by (destruct (Rle_lt_dec (py a) (py c)); [left|right]; nra).
  assert (V : (py a = py b <-> py a = py c) /\ (py b = py c <-> py a = py c)) by (repeat split; intros; nra).
  unfold chi. rewrite A, B.
  repeat match goal with |- context [Rle_dec ?x ?y] => destruct (Rle_dec x y)
                       | |- context [Rlt_dec ?x ?y] => destruct (Rlt_dec x y) end; try reflexivity; exfalso; try tauto; try lra.
Qed.

Definition inT (a b c p : pt) : Prop := 0 < orient a b p /\ 0 < orient b c p /\ 0 < orient c a p.
Lemma inT_dec a b c p : {inT a b c p} + {~ inT a b c p}.
Proof. unfold inT. destruct (Rlt_dec 0 (orient a b p)), (Rlt_dec 0 (orient b c p)), (Rlt_dec 0 (orient c a p)); (left; tauto) || (right; tauto). Qed.

Section core. (* pure sign facts: o's are the orientations, u v w heights, q that of p *)
Lemma nonneg_mul x y : 0 <= x -> 0 <= y -> 0 <= x * y. Proof. intros; apply Rmult_le_pos; assumption. Qed.
Lemma pos_mul x y : 0 < x -> 0 < y -> 0 < x * y. Proof. apply Rmult_lt_0_compat. Qed.
Ltac prods q := repeat match goal with
  | H : 0 < ?o, K : ?y <= q |- _ => is_var o; lazymatch goal with _ : 0 <= o * (q - y) |- _ => fail | _ => assert (0 <= o * (q - y)) by (apply nonneg_mul; lra) end
  | H : 0 < ?o, K : q < ?y |- _ => is_var o; lazymatch goal with _ : 0 < o * (y - q) |- _ => fail | _ => assert (0 < o * (y - q)) by (apply pos_mul; lra) end
  | H : ?o < 0, K : ?y <= q |- _ => is_var o; lazymatch goal with _ : 0 <= (- o) * (q - y) |- _ => fail | _ => assert (0 <= (- o) * (q - y)) by (apply nonneg_mul; lra) end
  | H : ?o < 0, K : q < ?y |- _ => is_var o; lazymatch goal with _ : 0 < (- o) * (y - q) |- _ => fail | _ => assert (0 < (- o) * (y - q)) by (apply pos_mul; lra) end
  end.
Variables o1 o2 o3 u v w q : R.
Hypothesis Y : o1 * (w - q) + o2 * (u - q) + o3 * (v - q) = 0.
Definition ch (a b o : R) : Z :=
  if Rle_dec a q then if Rlt_dec q b then (if Rlt_dec 0 o then 1%Z else 0%Z) else 0%Z
  else if Rle_dec b q then (if Rlt_dec o 0 then (-1)%Z else 0%Z) else 0%Z.
Lemma core_in : 0 < o1 -> 0 < o2 -> 0 < o3 -> ~ (u = q /\ v = q /\ w = q) -> (ch u v o1 + ch v w o2 + ch w u o3)%Z = 1%Z.
Proof.
  intros P1 P2 P3 N. unfold ch.
  destruct (Rle_dec u q) as [U|U], (Rle_dec v q) as [V|V], (Rle_dec w q) as [W|W];
  repeat match goal with |- context [Rlt_dec ?x ?y] => destruct (Rlt_dec x y) end; try reflexivity; exfalso; try lra.
  - apply N.
    assert (A1 : 0 <= o1 * (q - w)) by (apply nonneg_mul; lra).
    assert (A2 : 0 <= o2 * (q - u)) by (apply nonneg_mul; lra).
    assert (A3 : 0 <= o3 * (q - v)) by (apply nonneg_mul; lra).
    assert (E1 : o1 * (q - w) = 0) by lra. assert (E2 : o2 * (q - u) = 0) by lra. assert (E3 : o3 * (q - v) = 0) by lra.
    apply Rmult_integral in E1, E2, E3. repeat split; lra.
  - assert (0 < o1 * (w - q)) by (apply pos_mul; lra). assert (0 < o2 * (u - q)) by (apply pos_mul; lra). assert (0 < o3 * (v - q)) by (apply pos_mul; lra). lra.
Qed.
Lemma core_out : o1 <> 0 -> o2 <> 0 -> o3 <> 0 -> 0 < o1 + o2 + o3 -> ~ (0 < o1 /\ 0 < o2 /\ 0 < o3) ->
  (ch u v o1 + ch v w o2 + ch w u o3)%Z = 0%Z.
Proof.
  intros G1 G2 G3 S N. unfold ch.
  assert (D1 : 0 < o1 \/ o1 < 0) by lra. assert (D2 : 0 < o2 \/ o2 < 0) by lra. assert (D3 : 0 < o3 \/ o3 < 0) by lra.
  destruct D1, D2, D3; try (exfalso; tauto); try (exfalso; lra);
  destruct (Rle_dec u q) as [U|U], (Rle_dec v q) as [V|V], (Rle_dec w q) as [W|W];
  try apply Rnot_le_lt in U; try apply Rnot_le_lt in V; try apply Rnot_le_lt in W;
  repeat match goal with |- context [Rlt_dec ?x ?y] => destruct (Rlt_dec x y) end; try reflexivity; exfalso; try lra; prods q; lra.
Qed.
End core.
Definition gen (p a b c : pt) := orient a b p <> 0 /\ orient b c p <> 0 /\ orient c a p <> 0.
Theorem chi_triangle a b c p : 0 < orient a b c -> gen p a b c ->
  (chi a b p + chi b c p + chi c a p)%Z = (if inT_dec a b c p then 1 else 0)%Z.
Proof.
  unfold gen. intros H (G1 & G2 & G3).
  pose proof (orient_sum a b c p) as S.
  assert (Y : orient a b p * (py c - py p) + orient b c p * (py a - py p) + orient c a p * (py b - py p) = 0) by (unfold orient; ring).
  destruct (inT_dec a b c p) as [(I1 & I2 & I3) | N].
  - apply (core_in (orient a b p) (orient b c p) (orient c a p) (py a) (py b) (py c) (py p) Y I1 I2 I3).
    intros (Ea & Eb & Ec). assert (orient a b c = 0) by (unfold orient; rewrite Ea, Eb, Ec; ring). lra.
  - apply (core_out (orient a b p) (orient b c p) (orient c a p) (py a) (py b) (py c) (py p) Y G1 G2 G3); [lra | exact N].
Qed.

(* ---------- fans: the crossing number of a convex polygon *)
Definition csum (p : pt) (l : list (pt * pt)) : Z := fold_right (fun e s => (chi (fst e) (snd e) p + s)%Z) 0%Z l.
Lemma csum_app p l m : csum p (l ++ m) = (csum p l + csum p m)%Z.
Proof. induction l; simpl; [reflexivity|rewrite IHl; ring]. Qed.
Definition fancnt (p p0 : pt) (l : list (pt * pt)) : Z :=
  fold_right (fun e s => ((if inT_dec p0 (fst e) (snd e) p then 1 else 0) + s)%Z) 0%Z l.
Lemma fancnt_pos p p0 l : (0 <= fancnt p p0 l)%Z.
Proof. induction l as [|e l IH]; simpl; [lia|]. destruct (inT_dec p0 (fst e) (snd e) p); lia. Qed.
Lemma fancnt_in p p0 l e : In e l -> inT p0 (fst e) (snd e) p -> (1 <= fancnt p p0 l)%Z.
Proof.
  induction l as [|x l IH]; simpl; [tauto|]. pose proof (fancnt_pos p p0 l).
  intros [<-|I] T; [destruct (inT_dec p0 (fst x) (snd x) p); [lia | tauto]|].
  specialize (IH I T). destruct (inT_dec p0 (fst x) (snd x) p); lia.
Qed.
Lemma fancnt_out p p0 l : (1 <= fancnt p p0 l)%Z -> exists e, In e l /\ inT p0 (fst e) (snd e) p.
Proof.
  induction l as [|x l IH]; simpl; [lia|]. destruct (inT_dec p0 (fst x) (snd x) p) as [T|T]; intros H.
  - exists x; auto.
  - destruct IH as (e & I & K); [lia|]. exists e; auto.
Qed.
Lemma fan_csum p p0 l : forall a, fanpos p0 a l -> (forall e, In e (consec a l) -> gen p p0 (fst e) (snd e)) ->
  (chi p0 a p + csum p (consec a (l ++ [p0])))%Z = fancnt p p0 (consec a l).
Proof.
  induction l as [|b l IH]; intros a Fn G.
  - simpl. rewrite (chi_anti p0 a p). lia.
  - pose proof (chi_triangle p0 a b p (Fn (a, b) (or_introl eq_refl)) (G (a, b) (or_introl eq_refl))) as T.
    assert (X := IH b (fun e I => Fn e (or_intror I)) (fun e I => G e (or_intror I))).
    change (consec a ((b :: l) ++ [p0])) with ((a, b) :: consec b (l ++ [p0])).
    change (csum p ((a, b) :: consec b (l ++ [p0]))) with (chi a b p + csum p (consec b (l ++ [p0])))%Z.
    change (fancnt p p0 (consec a (b :: l))) with ((if inT_dec p0 a b p then 1 else 0) + fancnt p p0 (consec b l))%Z.
    rewrite <- X, <- T. rewrite (chi_anti p0 b p). ring.
Qed.

(* the fan's triangles of a polygon and their lines *)
Definition fan (l : list pt) : pt * list (pt * pt) :=
  match l with p0 :: p1 :: t => (p0, consec p1 t) | p0 :: [] => (p0, []) | [] => (P 0 0, []) end.
Definition count (l : list pt) (p : pt) : Z := fancnt p (fst (fan l)) (snd (fan l)).
Definition lines (l : list pt) : list form :=
  flat_map (fun e => [line (fst (fan l)) (fst e); line (fst e) (snd e); line (snd e) (fst (fan l))]) (snd (fan l)).
Definition off (l : list pt) (p : pt) := Forall (fun f => ev f p <> 0) (lines l).
Lemma off_gen l p e : off l p -> In e (snd (fan l)) -> gen p (fst (fan l)) (fst e) (snd e).
Proof.
  unfold off, lines. rewrite Forall_forall. intros H I.
  assert (K : forall f, In f [line (fst (fan l)) (fst e); line (fst e) (snd e); line (snd e) (fst (fan l))] -> ev f p <> 0).
  { intros f J. apply H. apply in_flat_map. exists e; split; assumption. }
  repeat split; rewrite <- ev_line; apply K; simpl; auto.
Qed.
Lemma lines_proper l : conv l -> Forall proper (lines l).
Proof.
  destruct l as [|p0 [|p1 [|p2 t]]]; simpl conv; try tauto. intros [_ Fn].
  apply Forall_forall. intros f I. unfold lines in I. apply in_flat_map in I. destruct I as (e & I & J).
  change (snd (fan (p0 :: p1 :: p2 :: t))) with (consec p1 (p2 :: t)) in I.
  specialize (Fn e I). simpl in J. unfold proper.
  destruct J as [<-|[<-|[<-|[]]]]; [exists (snd e) | exists p0 | exists (fst e)]; rewrite ev_line;
    unfold orient in *; lra.
Qed.
Theorem count_csum l p : conv l -> off l p -> csum p (edges l) = count l p.
Proof.
  intros C O. pose proof (off_gen l p) as G. specialize (fun e => G e O).
  destruct l as [|p0 [|p1 [|p2 t]]]; try (simpl in C; tauto). destruct C as [_ Fn].
  change (count (p0 :: p1 :: p2 :: t) p) with (fancnt p p0 (consec p1 (p2 :: t))).
  rewrite <- fan_csum; [reflexivity | exact Fn | exact G].
Qed.
Theorem count_closed l p : conv l -> (1 <= count l p)%Z -> inP l p.
Proof.
  intros C H. apply fancnt_out in H. destruct H as (e & I & T).
  destruct l as [|p0 [|p1 [|p2 t]]]; try (simpl in C; tauto). destruct C as [H Fn].
  change (In e (consec p1 (p2 :: t))) in I. change (inT p0 (fst e) (snd e) p) in T.
  intros x X. destruct (consec_in _ _ _ I) as [J K].
  pose proof (bary (line (fst x) (snd x)) p0 (fst e) (snd e) p) as B. rewrite !ev_line in B.
  destruct T as (T1 & T2 & T3).
  assert (A0 : 0 <= orient (fst x) (snd x) p0) by (apply H; simpl; auto).
  assert (A1 : 0 <= orient (fst x) (snd x) (fst e)) by (apply H; simpl in *; tauto).
  assert (A2 : 0 <= orient (fst x) (snd x) (snd e)) by (apply H; simpl in *; tauto).
  assert (S : 0 < orient p0 (fst e) (snd e)) by (apply Fn, I).
  apply Rmult_le_reg_l with (orient p0 (fst e) (snd e)); [exact S|]. rewrite <- B, Rmult_0_r.
  pose proof (nonneg_mul _ _ (Rlt_le _ _ T1) A2). pose proof (nonneg_mul _ _ (Rlt_le _ _ T2) A0).
  pose proof (nonneg_mul _ _ (Rlt_le _ _ T3) A1). lra.
Qed.
Lemma walk_strict p p0 l : forall a, l <> [] -> 0 < orient p0 a p ->
  (forall e, In e (consec a (l ++ [p0])) -> 0 < orient (fst e) (snd e) p) ->
  (forall e, In e (consec a l) -> gen p p0 (fst e) (snd e)) ->
  exists e, In e (consec a l) /\ inT p0 (fst e) (snd e) p.
Proof.
  induction l as [|b l IH]; intros a N A H G; [congruence|].
  destruct (G (a, b) (or_introl eq_refl)) as (_ & _ & G3); simpl in G3. rewrite orient_anti in G3.
  destruct (Rlt_le_dec (orient p0 b p) 0) as [L|L].
  - exists (a, b); split; [simpl; auto|]. repeat split; simpl; [exact A | apply (H (a, b)); simpl; auto |].
    rewrite orient_anti; lra.
  - destruct l as [|c l].
    + pose proof (H (b, p0)) as K; simpl in K. rewrite orient_anti in K. exfalso.
      assert (0 < - orient p0 b p) by (apply K; auto). lra.
    + destruct (IH b) as (e & I & X); [discriminate | lra | intros e I; apply H; simpl; right; exact I
        | intros e I; apply G; simpl; right; exact I |].
      exists e; split; [simpl; right; exact I | exact X].
Qed.
Theorem count_inside l p : conv l -> off l p -> inside l p -> (1 <= count l p)%Z.
Proof.
  intros C O I. pose proof (off_gen l p) as G. specialize (fun e => G e O).
  destruct l as [|p0 [|p1 [|p2 t]]]; try (simpl in C; tauto).
  destruct (walk_strict p p0 (p2 :: t) p1) as (e & E & T).
  - discriminate.
  - apply (I (p0, p1)). simpl; auto.
  - intros e E. apply I. change (edges (p0 :: p1 :: p2 :: t)) with ((p0, p1) :: consec p1 ((p2 :: t) ++ [p0])).
    right; exact E.
  - exact G.
  - apply (fancnt_in _ _ _ e); assumption.
Qed.
(* for the window: sorted about its first corner, its fan's triangles are disjoint *)
Definition sorted (l : list pt) := match l with [] => True | p0 :: t => ForallOrdPairs (fun a b => 0 < orient p0 a b) t end.
Lemma sorted_one p p0 l : forall a, ForallOrdPairs (fun a b => 0 < orient p0 a b) (a :: l) ->
  (fancnt p p0 (consec a l) <= 1)%Z.
Proof.
  induction l as [|b l IH]; intros a S; [simpl; lia|].
  change (fancnt p p0 (consec a (b :: l))) with ((if inT_dec p0 a b p then 1 else 0) + fancnt p p0 (consec b l))%Z.
  inversion S as [|? ? S1 S2]; subst. specialize (IH b S2).
  destruct (inT_dec p0 a b p) as [T|T]; [|lia].
  destruct (Z_le_gt_dec 1 (fancnt p p0 (consec b l))) as [Q|Q]; [|lia]. exfalso.
  apply fancnt_out in Q. destruct Q as (e & I & K). destruct (consec_in _ _ _ I) as [J1 J2].
  inversion S2 as [|? ? S3 S4]; subst. rewrite Forall_forall in S3.
  assert (A1 : 0 <= orient p0 b (fst e)).
  { destruct J1 as [<-|J1]; [rewrite orient_at2; lra | apply Rlt_le, S3, J1]. }
  assert (A2 : 0 < orient p0 b (snd e)) by (apply S3, J2).
  pose proof (bary (line p0 b) p0 (fst e) (snd e) p) as B. rewrite !ev_line, orient_at1 in B.
  destruct T as (_ & _ & T3), K as (K1 & K2 & K3). rewrite orient_anti in T3.
  pose proof (orient_sum p0 (fst e) (snd e) p) as E.
  pose proof (nonneg_mul _ _ (Rlt_le _ _ K3) A1). pose proof (pos_mul _ _ K1 A2).
  assert (0 < orient p0 (fst e) (snd e) * (- orient p0 b p)) by (apply pos_mul; lra). nra.
Qed.
Theorem count_window l p : conv l -> sorted l -> (count l p <= 1)%Z.
Proof.
  destruct l as [|p0 [|p1 [|p2 t]]]; simpl conv; try tauto. intros _ S. apply sorted_one, S.
Qed.
